import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { addCommand, addGroup, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'
import { addWaitOption, showBarrier, type WaitOptions, waitMsOf } from './barrier.ts'
import { type Named, NOUNS } from './revocable.ts'

type Revocation = Output<AdminApi['revocations']['create']>
type Preview = Output<AdminApi['revocations']['preview']>
type RevokeOptions = ConfirmOptions & WaitOptions

const revocationView: View<Revocation> = {
  kind: 'Revocation',
  name: revocation => revocation.id,
  columns: [
    { header: 'KIND', value: revocation => revocation.kind },
    { header: 'ID', value: revocation => revocation.id },
    { header: 'REVISION', value: revocation => revocation.revision, align: 'right' },
  ],
}

/** Takes something back for good, at every enforcement point. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'revoke', {
    summary: 'Take something back for good, at every enforcement point',
    examples: [
      [
        'valetkey revoke agent support-bot --reason "leaked key" --wait',
        'stop it, and know when it has stopped',
      ],
      ['valetkey revoke delegation dlg_01kam9 --dry-run', 'what hangs on a delegation'],
    ],
  })
  for (const [noun, { revoke: effect, example }] of Object.entries(NOUNS))
    addConfirmOptions(
      addWaitOption(
        addCommand(group, `${noun} <${noun}>`, {
          summary: `Take back ${effect}`,
          examples: [
            [
              `valetkey revoke ${noun} ${example} --reason incident --wait`,
              'and wait until all have confirmed',
            ],
            [`valetkey revoke ${noun} ${example} --dry-run`, 'see what that touches'],
          ],
        }),
      ),
    ).action(
      withSession(io, (session, text: string, options: RevokeOptions) =>
        revokeNamed(session, noun, text, options),
      ),
    )
}

/** Also `credential revoke` and the like. */
export async function revokeNamed(
  session: Session,
  noun: string,
  text: string,
  options: RevokeOptions,
): Promise<void> {
  const { kind, find } = NOUNS[noun] ?? {}
  if (!kind || !find) throw new Error(`nothing is called "${noun}"`)
  const { api, print } = session
  const named = await find(session, text)
  const { id, organization, name } = named
  const preview = previewLines(noun, named, await api.revocations.preview({ kind, id, organization }))
  if (!(await confirm(session, { name, preview, incident: true }, options))) return
  const waitMs = waitMsOf(options)
  const revocation = await api.revocations.create({ kind, id, organization, reason: options.reason, waitMs })
  if (!print.human) print.item(revocationView, revocation)
  showBarrier(session, revocation, 'Revoked')
}

const MOST_NAMES = 5
const STAYS: Record<string, string> = {
  agent: 'Its credentials, grants and delegations are gone for good: resumed, it needs new ones.',
  token: 'Its credential can get another one.',
  person: 'The person stays known and can be made active again; what was granted is gone for good.',
  server: 'That is final: to take it up again, register it anew.',
  organization: 'That is final.',
}

function previewLines(noun: string, { name, about = [] }: Named, preview: Preview): string[] {
  const { agents, credentials, grants, delegations, tools, people, points } = preview
  const counts = [
    count(credentials, 'credential'),
    count(grants, 'grant'),
    count(delegations, 'delegation'),
    count(tools, 'tool'),
    count(people, 'person', 'people'),
  ].filter(text => text !== '')
  const shown = agents.slice(0, MOST_NAMES).join(', ')
  const more = agents.length > MOST_NAMES ? ` and ${agents.length - MOST_NAMES} more` : ''
  return [
    ...about,
    `With ${noun} ${name} ${counts.length === 0 ? 'goes nothing else' : `go: ${counts.join(', ')}`}.`,
    ...(agents.length > 0
      ? [`Calls are refused from then on, and open streams cut, of: ${shown}${more}.`]
      : []),
    `${points === 1 ? '1 enforcement point is' : `${points} enforcement points are`} running and would be told.`,
    ...(STAYS[noun] === undefined ? [] : [STAYS[noun]]),
  ]
}

function count(number: number, one: string, many = `${one}s`): string {
  return number === 0 ? '' : `${number} ${number === 1 ? one : many}`
}
