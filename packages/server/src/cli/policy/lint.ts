import type { Command } from 'commander'
import { type Finding, lintPolicy, parsePolicy } from '../../policy/index.ts'
import { addCommand, collect, withPrinter } from '../session.ts'
import { EXIT, type Io, type Printer, type View } from '../terminal/index.ts'
import { readFiles } from './policy-files.ts'

interface Located extends Finding {
  place: string
}

const view: View<Located> = {
  kind: 'Finding',
  name: finding => finding.place,
  columns: [
    { header: 'WHERE', value: finding => finding.place },
    { header: 'AGENT', value: finding => finding.agentName },
    { header: 'THROUGH', value: finding => finding.through.join(' > ') },
    { header: 'COULD CAUSE', value: finding => finding.permission },
    { header: 'ON', value: finding => finding.on.join(' ') },
  ],
}

/** Looks at policy files without any authority, so that the CI of a policy repository can. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'lint', {
    summary: `Find what agents could cause by delegating that they may not do themselves (exit ${EXIT.invalid} if anything)`,
    examples: [
      ['valetkey lint -f policy/', 'in the CI of a policy repository: needs no authority'],
      ['valetkey lint -f policy/ --json', 'for a program'],
    ],
  })
    .requiredOption('-f, --file <path>', 'policy file, or folder of .yaml files; several times', collect)
    .action(withPrinter(io, (print, options: { file: string[] }) => lint(io, print, options)))
}

async function lint(io: Io, print: Printer, { file }: { file: string[] }): Promise<void> {
  const source = parsePolicy(await readFiles(io, file))
  const findings = (await lintPolicy(source.policy, io.now)).map(finding => ({
    ...finding,
    place: source.locate(finding.path),
  }))
  if (!print.human || findings.length > 0) print.list(view, findings)
  if (findings.length === 0) {
    print.say(
      'No agent could cause by delegating what it may not do itself, but for what the policy says is known.',
    )
    return
  }
  io.exitCode = EXIT.invalid
  print.say('')
  print.say(
    'Give these agents less, narrow the rule, or say that it is known: add the permission to "beyond".',
  )
}
