import { type AdminApi, ApiError, type Output } from '@valetkey/sdk/contract'
import { AppError, type JsonObject } from '@valetkey/sdk/core'
import type { Command } from 'commander'
import { type PolicySource, parsePolicy } from '../../policy/index.ts'
import { addCommand, collect, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'
import { readFiles } from './policy-files.ts'
import { reachChanges, showReachChanges } from './reach-change.ts'

type Change = Output<AdminApi['policy']['apply']>['changes'][number]

const view: View<Change> = {
  kind: 'PolicyChange',
  name: change => change.name,
  columns: [
    { header: ' ', value: ({ sign }) => ({ sign }) },
    { header: 'KIND', value: change => change.kind },
    { header: 'NAME', value: change => change.name },
    { header: 'CHANGE', value: change => change.detail },
  ],
}

/** Policy as files: what they name becomes so, at once or not at all. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'apply', {
    summary: 'Apply policy files, as one change',
    examples: [
      ['valetkey apply -f policy/ --dry-run', 'say what would change'],
      ['valetkey apply -f policy/', 'make it so'],
    ],
  })
    .requiredOption('-f, --file <path>', 'policy file, or folder of .yaml files; several times', collect)
    .option('--dry-run', 'say what would change, and change nothing')
    .action(withSession(io, apply))
}

async function apply(
  session: Session,
  { file, dryRun = false }: { file: string[]; dryRun?: boolean },
): Promise<void> {
  const source = parsePolicy(await readFiles(session.io, file))
  const result = await send(session, source, dryRun)
  const { print } = session
  const reach = dryRun && result.changes.length > 0 ? await reachChanges(session, source) : undefined
  const more = { applied: result.applied, ...(reach && { reach: reach.changes }) }
  if (!print.human || result.changes.length > 0) print.list(view, result.changes, more)
  print.say(summary(result.changes, dryRun))
  if (reach && print.human) showReachChanges(print, reach)
}

async function send({ api, organization }: Session, source: PolicySource, dryRun: boolean) {
  try {
    return await api.policy.apply({ ...organization, policy: source.policy as JsonObject, dryRun })
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'policy.invalid' || error.path === undefined)
      throw error
    // What follows the first line quotes the condition, which the file shows better.
    const [sentence] = error.message.split('\n')
    const message = `${source.locate(error.path)}: ${sentence} (${error.path})`
    throw new AppError('policy.invalid', message, { path: error.path, cause: error })
  }
}

function summary(changes: readonly Change[], dryRun: boolean): string {
  if (changes.length === 0) return 'Nothing to change: the policy stands as it is written.'
  const count = (sign: string) => changes.filter(change => change.sign === sign).length
  const counts = `${count('+')} to add, ${count('~')} to change, ${count('-')} to remove`
  return dryRun
    ? `Dry run: ${counts}.`
    : `Applied: ${counts.replaceAll(' to add', ' added').replaceAll(' to change', ' changed').replaceAll(' to remove', ' removed')}.`
}
