import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addFilters, type CallFilters, toQuery } from './call-query.ts'
import { addCommand, type Session, withSession } from './session.ts'
import { type Io, printable, UsageError, type View } from './terminal/index.ts'

type Row = Output<AdminApi['audit']['who']>['rows'][number]

const view: View<Row> = {
  kind: 'Who',
  name: row => row.agentName ?? row.agent ?? '-',
  columns: [
    { header: 'AGENT', value: row => row.agentName ?? row.agent },
    { header: 'PERMITTED', value: row => row.permitted, align: 'right' },
    { header: 'REFUSED', value: row => row.refused, align: 'right' },
    { header: 'AUTHORIZED BY', value: row => row.authorizedBy.join(', ') },
    { header: 'GRANT', value: row => row.grant },
    { header: 'VIA', value: row => row.via.join(' > ') },
    { header: 'OWNER', value: row => row.owner, wide: true },
    { header: 'FIRST', value: row => ({ time: row.first }), wide: true },
    { header: 'LAST', value: row => ({ time: row.last }), wide: true },
  ],
}

/** The question that the record exists for. */
export function register(program: Command, io: Io): void {
  const command = addCommand(program, 'who', {
    summary: 'Say which agents touched a resource, and who authorized them',
    examples: [
      ['valetkey who --resource customer/acme --server billing --on tuesday', 'that whole day'],
      ['valetkey who --server billing --since 7d -o csv', 'a week, for a spreadsheet'],
    ],
  })
  addFilters(command, [
    'resource',
    'server',
    'agent',
    'tool',
    'person',
    'owner',
    'verdict',
    'since',
    'until',
    'on',
  ])
  command.action(withSession(io, who))
}

async function who(session: Session, filters: CallFilters): Promise<void> {
  if (filters.resource === undefined && filters.server === undefined && filters.agent === undefined)
    throw new UsageError(
      'Who touched what?',
      'Nothing says what to look for.',
      'Add --resource customer/acme, --server NAME or --agent NAME.',
    )
  const { sentence, rows } = await session.api.audit.who(await toQuery(session, filters))
  session.print.say(printable(sentence))
  if (session.print.human && rows.length === 0) return
  session.print.say('')
  session.print.list(view, rows, { sentence })
}
