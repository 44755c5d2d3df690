import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findRequest } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'
import { idsOf, requireOneOrAll, type Whose } from './whose.ts'

type WaitingRequest = Output<AdminApi['waitingRequests']['cancel']>

const requestView: View<WaitingRequest> = {
  kind: 'WaitingRequest',
  name: request => request.id,
  columns: [
    { header: 'AGENT', value: request => request.agentName },
    { header: 'ASKS', value: request => request.personEmail ?? 'whoever types its code' },
    { header: 'SCOPES', value: request => request.scopes.join(' ') },
    { header: 'MESSAGE', value: request => request.message },
    { header: 'SINCE', value: request => ({ time: request.createdAt }) },
    { header: 'ENDS', value: request => ({ time: request.expiresAt }) },
    { header: 'ID', value: request => request.id },
    { header: 'SERVER', value: request => request.resource, wide: true },
    { header: 'KIND', value: request => request.kind, wide: true },
    { header: 'FROM', value: request => request.askedFrom ?? '', wide: true },
  ],
}

/** Requests: what agents have asked people who are somewhere else, and wait for. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'request', {
    summary: 'Requests that wait for a person: by a code (device grant), or by name (CIBA)',
    examples: [
      ['valetkey request ls', 'what waits at this moment'],
      ['valetkey request cancel --agent night-bot --reason "asks without end"', 'all of an agent'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List what waits',
    examples: [
      ['valetkey request ls --agent night-bot', 'whom an agent has asked'],
      [
        'valetkey request ls --person maya@northwind.dev -o wide',
        'what somebody is asked, and for which server',
      ],
    ],
  })
    .option('--agent <agent>', 'the agent that asks')
    .option('--person <person>', 'the person who is asked')
    .action(withSession(io, list))
  addConfirmOptions(
    addCommand(group, 'cancel [request]', {
      summary: 'Cancel a request, or all of an agent or a person; nobody can answer it any more',
      examples: [
        ['valetkey request cancel wrq_01kam9', 'by the beginning of its id'],
        ['valetkey request cancel --person maya@northwind.dev --dry-run', 'see what she is asked'],
      ],
    })
      .option('--agent <agent>', 'all that this agent waits for')
      .option('--person <person>', 'all that this person is asked'),
  ).action(withSession(io, cancel))
}

async function list(session: Session, options: Whose): Promise<void> {
  session.print.list(requestView, await waitingOf(session, await idsOf(session, options)))
}

function waitingOf({ api, organization }: Session, whose: Awaited<ReturnType<typeof idsOf>>) {
  return allPages(page => api.waitingRequests.list({ ...page, ...organization, ...whose }))
}

const effectOf = ({ agentName, personEmail }: WaitingRequest) =>
  `${agentName} no longer waits for ${personEmail ?? 'whoever types its code'}.`

async function cancel(
  session: Session,
  text: string | undefined,
  options: ConfirmOptions & Whose,
): Promise<void> {
  requireOneOrAll('request', text, options)
  if (text === undefined) return cancelAll(session, options)
  const { api, print } = session
  const request = await findRequest(session, text)
  const { id, organization } = request
  if (!(await confirm(session, { name: id, preview: [effectOf(request)], incident: true }, options))) return
  print.item(
    requestView,
    await api.waitingRequests.cancel({ organization, id, reason: options.reason ?? '' }),
  )
}

async function cancelAll(session: Session, options: ConfirmOptions & Whose): Promise<void> {
  const { api, organization, print } = session
  const whose = await idsOf(session, options)
  const preview = (await waitingOf(session, whose)).map(effectOf)
  const name = options.person ?? options.agent ?? ''
  if (!(await confirm(session, { name, preview, incident: true }, options))) return
  const { reason = '' } = options
  const { cancelled } = await api.waitingRequests.cancelAll({ ...organization, ...whose, reason })
  print.note(`${cancelled.length} ${cancelled.length === 1 ? 'request is' : 'requests are'} cancelled.`)
}
