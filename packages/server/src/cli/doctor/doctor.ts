import { ApiError } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import type { Command } from 'commander'
import { addCommand, type Session, withSession } from '../session.ts'
import { EXIT, type Io, type View } from '../terminal/index.ts'
import { checkAuthority, checkNode, checkSigningKeys } from './authority.ts'
import { checkConfiguration } from './configuration.ts'
import { type Finding, fail } from './finding.ts'
import { checkPoints, checkServers } from './servers.ts'

const MARKS = { ok: '✓', warn: '!', fail: '✗' }

const view: View<Finding> = {
  kind: 'Finding',
  name: finding => `${finding.check}: ${finding.status}`,
  columns: [
    { header: '', value: ({ status }) => MARKS[status] },
    { header: 'CHECK', value: ({ check }) => check },
    { header: 'FOUND', value: ({ found }) => found },
    { header: 'WHAT TO DO', value: ({ fix }) => fix || null },
  ],
}

/** Registers `valetkey doctor`: the installation from end to end, and what to do about each finding. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'doctor', {
    summary: 'Check the installation from end to end; ends with 1 where something does not work',
    examples: [
      ['valetkey doctor', 'what is wrong, and what to do about it'],
      ['valetkey doctor --config /etc/valetkey.yaml --json', 'on the machine of an authority, for a script'],
    ],
  })
    .option('-c, --config <file>', 'settings of an authority on this machine; else VALETKEY_CONFIG')
    .action(withSession(io, doctor))
}

/** In the order in which one would look: nothing behind a part that does not answer can be said. */
const CHECKS: readonly [name: string, check: (session: Session) => Promise<Finding[]>][] = [
  ['authority', checkAuthority],
  ['node', checkNode],
  ['signing keys', checkSigningKeys],
  ['points', checkPoints],
  ['servers', checkServers],
]

async function doctor(session: Session, options: { config?: string }): Promise<void> {
  const { io, print } = session
  const findings = checkConfiguration(io, options.config ?? io.env['VALETKEY_CONFIG'])
  for (const [name, check] of CHECKS) {
    const found = await check(session).catch((fault: unknown) => [toFinding(name, fault)])
    findings.push(...found)
    if (name === 'authority' && found.some(({ check: of }) => of === 'authority')) break
  }
  print.list(view, findings)
  const count = (status: Finding['status']) => findings.filter(finding => finding.status === status).length
  print.note(`${count('ok')} in order, ${count('warn')} to look at, ${count('fail')} that do not work.`)
  if (count('fail') > 0) io.exitCode = EXIT.error
}

/** A check that could not be made is a finding too. */
function toFinding(check: string, fault: unknown): Finding {
  if (fault instanceof ApiError && (fault.status === 401 || fault.status === 403))
    return fail(check, fault.message, 'Sign in with a token that may: valetkey login, or VALETKEY_TOKEN.')
  if (fault instanceof ApiError || fault instanceof AppError)
    return fail(check, fault.message, `docs/errors.md describes ${fault.code}.`)
  if (fault instanceof TypeError)
    return fail(check, 'The authority does not answer.', 'Is it running, and is VALETKEY_URL its address?')
  throw fault
}
