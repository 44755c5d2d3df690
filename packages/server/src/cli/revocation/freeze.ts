import type { AdminApi, Input, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addCommand, addGroup, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'
import { addWaitOption, showBarrier, type WaitOptions, waitMsOf } from './barrier.ts'
import { NOUNS } from './revocable.ts'

type Freeze = Output<AdminApi['freezes']['freeze']>
type Kind = Input<AdminApi['freezes']['freeze']>['kind']

interface FreezeOptions extends WaitOptions {
  reason?: string
  dryRun?: boolean
}

const view: View<Freeze> = {
  kind: 'Freeze',
  name: freeze => freeze.id,
  columns: [
    { header: 'KIND', value: freeze => freeze.kind },
    { header: 'ID', value: freeze => freeze.id },
    { header: 'FROZEN', value: freeze => (freeze.frozen ? 'yes' : 'no') },
    { header: 'REVISION', value: freeze => freeze.revision, align: 'right' },
  ],
}

/** Adds `freeze` or `thaw`: neither asks, since each undoes the other; only who thaws has to say why. */
export function registerVerb(program: Command, io: Io, verb: 'freeze' | 'thaw'): void {
  const isFreeze = verb === 'freeze'
  const group = addGroup(program, verb, {
    summary: isFreeze
      ? 'Refuse what something does until it is thawed; with --all everything, everywhere'
      : 'Let something frozen be decided on again; with --all everything',
    examples: [
      isFreeze
        ? ['valetkey freeze agent support-bot --wait', 'while you look']
        : ['valetkey thaw agent support-bot --reason "it was the export" --wait', 'after you have looked'],
      isFreeze
        ? ['valetkey freeze --all --wait', 'the red button']
        : ['valetkey thaw --all --reason "all clear" --wait', 'and on again'],
    ],
  })
  addOptions(group, verb)
    .option('--all', isFreeze ? 'everything: no call, no token, anywhere' : 'the freeze of everything')
    .action(
      withSession(io, (session, options: FreezeOptions & { all?: true }) =>
        everything(session, verb, options),
      ),
    )
  for (const [noun, { freeze, example }] of Object.entries(NOUNS)) {
    if (freeze === '') continue
    addOptions(
      addCommand(group, `${noun} <${noun}>`, {
        summary: isFreeze ? `Refuse ${freeze}` : `Decide again on ${freeze}`,
        examples: [
          [
            `valetkey ${verb} ${noun} ${example} --reason incident --wait`,
            'and wait until all have confirmed',
          ],
          [`valetkey ${verb} ${noun} ${example} --dry-run`, 'see what is meant, and do nothing'],
        ],
      }),
      verb,
    ).action(
      withSession(io, (session, text: string, options: FreezeOptions) =>
        one(session, verb, noun, text, options),
      ),
    )
  }
}

function addOptions(command: Command, verb: 'freeze' | 'thaw'): Command {
  const why = verb === 'freeze' ? 'why; goes on record' : 'why; has to be said, and goes on record'
  return addWaitOption(command)
    .option('--reason <text>', why)
    .option('--dry-run', 'say what would happen, and do nothing')
}

async function everything(
  session: Session,
  verb: 'freeze' | 'thaw',
  { all, ...options }: FreezeOptions & { all?: true },
): Promise<void> {
  if (!all)
    throw new UsageError(
      `What to ${verb}?`,
      'It has to be named, or be everything.',
      `Name it, as "valetkey ${verb} agent support-bot", or add --all.`,
    )
  await run(session, verb, { kind: 'all', name: 'everything' }, options)
}

async function one(
  session: Session,
  verb: 'freeze' | 'thaw',
  noun: string,
  text: string,
  options: FreezeOptions,
): Promise<void> {
  const { kind, find } = NOUNS[noun] ?? {}
  if (!kind || kind === 'signing_key' || !find) throw new Error(`"${noun}" cannot be frozen`)
  await run(session, verb, { kind, ...(await find(session, text)) }, options)
}

async function run(
  session: Session,
  verb: 'freeze' | 'thaw',
  {
    kind,
    id,
    organization,
    name,
  }: { kind: Kind; id?: string; organization?: string | undefined; name: string },
  options: FreezeOptions,
): Promise<void> {
  const { api, print } = session
  const verbed = verb === 'freeze' ? 'frozen' : 'thawed'
  if (options.dryRun) {
    print.note(`${name} would be ${verbed}. Nothing was changed: this was a dry run.`)
    return
  }
  const { reason } = options
  const input = { kind, id, organization, waitMs: waitMsOf(options) }
  // A mandatory option of the group would be asked of every command below it, whatever that one was told.
  if (verb === 'thaw' && reason === undefined)
    throw new UsageError(`Why is ${name} thawed?`, 'It goes on record.', 'Add --reason TEXT.')
  const done = await (verb === 'freeze'
    ? api.freezes.freeze({ ...input, reason })
    : api.freezes.thaw({ ...input, reason: reason ?? '' }))
  if (!print.human) print.item(view, done)
  showBarrier(session, done, verb === 'freeze' ? 'Frozen' : 'Thawed')
}

export function register(program: Command, io: Io): void {
  registerVerb(program, io, 'freeze')
}
