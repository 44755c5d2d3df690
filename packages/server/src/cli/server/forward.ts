import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findServer } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

type Forward = Output<AdminApi['forwards']['allow']>

const view: View<Forward> = {
  kind: 'Forward',
  name: forward => `${forward.from} -> ${forward.to}`,
  columns: [
    { header: 'FROM', value: forward => forward.from },
    { header: 'TO', value: forward => forward.to },
    { header: 'CREATED', value: forward => ({ time: forward.createdAt }) },
    { header: 'CREATED BY', value: forward => forward.createdBy, wide: true },
  ],
}

/** Which servers may call which other ones for those who call them. */
export function registerForwards(servers: Command, io: Io): void {
  const group = addGroup(servers, 'forward', {
    summary: 'Which other servers a server may call for those who call it; without a rule, none',
    examples: [
      ['valetkey server forward allow reports billing', 'let reports call billing for its callers'],
      ['valetkey server forward ls reports', 'which ones it may call'],
    ],
  })
  addCommand(group, 'ls <server>', {
    summary: 'List which other servers a server may call for those who call it',
    examples: [
      ['valetkey server forward ls reports', 'as a table'],
      ['valetkey server forward ls reports --json', 'for a script'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'allow <server> <other>', {
    summary: 'Let a server call another one for those who call it, with no more than they may there',
    examples: [
      ['valetkey server forward allow reports billing', 'by name'],
      ['valetkey server forward allow reports https://mcp.northwind.dev/billing', 'by its URL'],
    ],
  }).action(withSession(io, allow))
  addConfirmOptions(
    addCommand(group, 'disallow <server> <other>', {
      summary: 'End that a server may call another one, and all that it calls there now',
      examples: [
        ['valetkey server forward disallow reports billing --reason review', 'at every enforcement point'],
        ['valetkey server forward disallow reports billing --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, disallow))
}

async function list(session: Session, text: string): Promise<void> {
  const { id: server } = await findServer(session, text)
  const { api, print } = session
  print.list(view, await allPages(page => api.forwards.list({ ...page, server })))
}

async function allow(session: Session, text: string, other: string): Promise<void> {
  const [{ id: server }, { id: to }] = [await findServer(session, text), await findServer(session, other)]
  session.print.item(view, await session.api.forwards.allow({ server, to }))
}

async function disallow(
  session: Session,
  text: string,
  other: string,
  options: ConfirmOptions,
): Promise<void> {
  const [from, to] = [await findServer(session, text), await findServer(session, other)]
  const preview = [`${from.name} may not call ${to.name} for others any more; what it calls there now ends.`]
  const name = `${from.name} -> ${to.name}`
  if (!(await confirm(session, { name, preview, incident: true }, options))) return
  const { reason } = options
  session.print.item(view, await session.api.forwards.disallow({ server: from.id, to: to.id, reason }))
}
