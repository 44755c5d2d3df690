import { type AdminApi, type Output, parseQuery } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { namesOf } from '../names.ts'
import { addCommand, type Session, withSession } from '../session.ts'
import { type Io, printable, UsageError, type View, zoneOf } from '../terminal/index.ts'
import { addFilters, type CallFlags, toQuery } from './call-query.ts'
import { type Holder, holdersOf, holderView } from './holders.ts'
import { reasonLines } from './reason-lines.ts'

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
  const command = addCommand(program, 'who [filters...]', {
    summary: 'Say who can do something on a resource, which agents touched it, and who authorized them',
    examples: [
      ['valetkey who --resource customer/acme --server billing --on tuesday', 'that whole day'],
      ['valetkey who resource:customer/acme verdict:denied since:7d', 'the same in words, as in the console'],
    ],
  })
  addFilters(command)
  command.action(withSession(io, who))
}

async function who(session: Session, words: string[], flags: CallFlags): Promise<void> {
  const { api, print } = session
  const query = toQuery(session, words, flags)
  const { wanted } = parseQuery(query.q ?? '', { now: session.io.now(), zone: zoneOf(session) })
  if (!wanted.resource && !wanted.server && !wanted.agent)
    throw new UsageError(
      'Who touched what?',
      'Nothing says what to look for.',
      'Add --resource customer/acme, --server NAME or --agent NAME.',
    )
  const [resource, ...others] = wanted.resource?.any ?? []
  const about = others.length === 0 ? resource : undefined
  const [answer, able] = await Promise.all([
    api.audit.who(query),
    about === undefined ? undefined : holdersOf(session, about),
  ])
  const { sentence, rows, asked, lookedBackTo } = answer
  const agents = wanted.agent?.any ?? []
  const holders = able?.filter(
    ({ principal, name }) => agents.length === 0 || agents.includes(principal) || agents.includes(name),
  )
  if (!print.human)
    return print.list(view, rows, { sentence, asked, lookedBackTo, ...(holders && { holders }) })
  if (about !== undefined) await showHolders(session, holders, about)
  print.say(printable(sentence))
  if (rows.length === 0) return
  print.say('')
  print.list(view, rows)
}

/** Who can comes first: who did may be somebody who no longer can. */
async function showHolders(
  session: Session,
  holders: readonly Holder[] | undefined,
  resource: string,
): Promise<void> {
  const { print, io } = session
  if (!holders) {
    print.note(printable(`Who can do something on ${resource} is not known: it is no registered resource.`))
    return
  }
  const who = holders.length === 1 ? '1 principal' : `${holders.length || 'No'} principals`
  print.say(printable(`${who} can do something on ${resource} now.`))
  print.say('')
  if (holders.length === 0) return
  if (io.out.isTerminal) for (const line of await holderLines(session, holders)) print.say(line)
  else print.list(holderView, holders)
  print.say('')
}

async function holderLines(session: Session, holders: readonly Holder[]): Promise<string[]> {
  const ids = holders.flatMap(({ principal, via }) => [principal, ...via.map(({ createdBy }) => createdBy)])
  const names = await namesOf(session, ids)
  const items = holders.map(({ principal, kind, name, permissions, via }) => {
    const known = names(principal)
    return { subject: `${kind} ${known === principal ? name : known}`, permissions, via }
  })
  return reasonLines(session, items, names)
}
