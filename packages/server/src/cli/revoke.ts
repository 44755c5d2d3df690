import type { AdminApi, Input, Output } from '@valetkey/sdk/contract'
import { type Command, InvalidArgumentError } from 'commander'
import { decodeJwt } from 'jose'
import { previewOf } from './agent.ts'
import { addConfirmOptions, type ConfirmOptions, confirm } from './confirm.ts'
import { findAgent, findCredential } from './find.ts'
import { addCommand, addGroup, type Session, withSession } from './session.ts'
import { EXIT, type Io, UsageError, type View } from './terminal/index.ts'

type Revocation = Output<AdminApi['revocations']['create']>
type Barrier = NonNullable<Revocation['barrier']>

interface RevokeOptions extends ConfirmOptions {
  wait?: number | true
}

const DEFAULT_WAIT_MS = 10_000

const revocationView: View<Revocation> = {
  kind: 'Revocation',
  name: revocation => revocation.id,
  columns: [
    { header: 'KIND', value: revocation => revocation.kind },
    { header: 'ID', value: revocation => revocation.id },
    { header: 'REVISION', value: revocation => revocation.revision, align: 'right' },
  ],
}

const pointView: View<Barrier['points'][number]> = {
  kind: 'Confirmation',
  name: point => point.id,
  columns: [
    { header: 'POINT', value: point => point.id },
    { header: 'KIND', value: point => point.kind },
    { header: 'OUTCOME', value: point => point.outcome.replace('_', ' ') },
    { header: 'MS', value: point => Math.round(point.ms), align: 'right' },
  ],
}

/** Takes back what an agent acts with, at every enforcement point. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'revoke', {
    summary: 'Take back an agent, a credential or a token, at every enforcement point',
    examples: [
      [
        'valetkey revoke agent support-bot --reason "leaked key" --wait',
        'stop it, and know when it has stopped',
      ],
      ['valetkey revoke credential crd_01kam9 --reason rotated', 'take one key back'],
    ],
  })
  const add = (noun: string, effect: string, example: string) =>
    addConfirmOptions(
      addRevokeOptions(
        addCommand(group, `${noun} <${noun}>`, {
          summary: effect,
          examples: [
            [
              `valetkey revoke ${noun} ${example} --reason incident --wait`,
              'and wait until all have confirmed',
            ],
            [`valetkey revoke ${noun} ${example} --dry-run`, 'see what that touches'],
          ],
        }),
      ),
    )
  add('agent', 'Stop an agent and take back all its credentials and tokens', 'support-bot').action(
    withSession(io, revokeAgent),
  )
  add('credential', 'Take one credential back, with the tokens that it got', 'crd_01kam9').action(
    withSession(io, revokeCredential),
  )
  add(
    'token',
    'Take one access token back, by its id (jti), or with - by reading the token itself',
    '-',
  ).action(withSession(io, revokeToken))
}

export function addRevokeOptions(command: Command): Command {
  return command.option(
    '--wait [ms]',
    `wait until every enforcement point has confirmed, at most so long`,
    toWait,
  )
}

/** Milliseconds, as they are typed. */
export function toWait(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 60_000)
    throw new InvalidArgumentError('Write milliseconds, at most 60000, as 5000.')
  return Number(text)
}

async function revokeAgent(session: Session, text: string, options: RevokeOptions): Promise<void> {
  const agent = await findAgent(session, text)
  const preview = [
    ...(await previewOf(session, agent)),
    'Its credentials are gone for good: resumed, it needs new ones.',
  ]
  const { id, organization, name } = agent
  await revoke(session, { kind: 'agent', id, organization }, { name, preview }, options)
}

/** Also `credential revoke`. */
export async function revokeCredential(
  session: Session,
  text: string,
  options: RevokeOptions,
): Promise<void> {
  const credential = await findCredential(session, text)
  const { id, kind, label, agent } = credential
  const name = label ? ` "${label}"` : ''
  const preview = [
    `The ${kind}${name} of agent ${agent}: tokens that it got are refused, and it gets no more.`,
  ]
  await revoke(session, { kind: 'credential', id, ...session.organization }, { name: id, preview }, options)
}

async function revokeToken(session: Session, text: string, options: RevokeOptions): Promise<void> {
  const id = text === '-' ? tokenId(await session.io.in.readAll()) : text
  if (id.startsWith('ey') && id.includes('.'))
    throw new UsageError(
      'This is a token, not the id of one.',
      'Arguments can be read by everyone on this machine.',
      'Use "-" and give the token on the standard input.',
    )
  const preview = ['Calls that carry this token are refused. Its credential can get another one.']
  await revoke(session, { kind: 'token', id, ...session.organization }, { name: id, preview }, options)
}

/** The `jti`; the token itself is not sent anywhere. */
function tokenId(token: string): string {
  try {
    const { jti } = decodeJwt(token.trim())
    if (jti) return jti
  } catch {}
  throw new UsageError(
    'What came on the standard input is not an access token.',
    'It holds no token id (jti).',
  )
}

async function revoke(
  session: Session,
  target: Pick<Input<AdminApi['revocations']['create']>, 'kind' | 'id' | 'organization'>,
  about: { name: string; preview: readonly string[] },
  options: RevokeOptions,
): Promise<void> {
  if (!(await confirm(session, { ...about, incident: true }, options))) return
  const waitMs = options.wait === true ? DEFAULT_WAIT_MS : (options.wait ?? 0)
  const { api, print, io } = session
  const revocation = await api.revocations.create({ ...target, reason: options.reason, waitMs })
  const { barrier } = revocation
  if (!print.human) print.item(revocationView, revocation)
  else if (barrier && barrier.points.length > 0) print.list(pointView, barrier.points)
  print.say(
    barrier ? barrierSentence(barrier) : `Revoked at revision ${revocation.revision}; not waited for.`,
  )
  if (barrier && !barrier.complete) io.exitCode = EXIT.unreachable
}

/** `3 of 3 enforcement points confirmed in 41 ms`; one whose lease has ended decides nothing either. */
export function barrierSentence({ points, elapsedMs, complete }: Barrier): string {
  if (points.length === 0)
    return 'No enforcement point is running: nothing is left that could let it through.'
  const confirmed = points.filter(point => point.outcome === 'confirmed').length
  const ended = points.filter(point => point.outcome === 'lease_ended').length
  const leases =
    ended > 0 ? `, ${ended} stopped deciding as ${ended === 1 ? 'its lease' : 'their leases'} ended` : ''
  const sentence = `${confirmed} of ${points.length} enforcement points confirmed in ${Math.round(elapsedMs)} ms${leases}`
  return complete ? sentence : `${sentence}; the others may still decide until their leases end.`
}
