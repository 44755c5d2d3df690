import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { AppError, isoTime } from '@valetkey/sdk/core'
import { sql } from 'kysely'
import * as z from 'zod'
import type { Db } from '../store/index.ts'
import { type CallQuery, callsMatching, resolveFilter } from './filter.ts'
import type { Ledger } from './ledger.ts'
import { namesOf } from './names.ts'
import { whoSentence } from './sentence.ts'

type Answer = Output<AdminApi['audit']['who']>
type WhoRow = Answer['rows'][number]

const MAX_GROUPS = 10_000
const Ids = z.array(z.string())

/** Who acted, for whom and by whose leave: one row for an agent, its owner, person, grant and chain; busiest first. */
export async function findWho(ledger: Ledger, facts: Db, query: CallQuery): Promise<Answer> {
  const filter = await resolveFilter(facts, query)
  const groups = await selectGroups(ledger, filter)
  if (groups.length > MAX_GROUPS)
    throw new AppError(
      'request.invalid',
      `The answer has more than ${MAX_GROUPS} rows. Name a resource, an agent or a shorter time.`,
    )
  const rows = mergeGroups(groups)
  const name = await namesOf(
    facts,
    rows
      .flatMap(row => [row.owner, row.person, ...row.authorizedBy])
      .concat(query.server ?? null)
      .filter(id => id !== null),
  )
  const named = rows.map(row => ({
    ...row,
    owner: row.owner === null ? null : name(row.owner),
    person: row.person === null ? null : name(row.person),
    authorizedBy: row.authorizedBy.map(name).sort(),
  }))
  const unenforced = groups.reduce((sum, group) => sum + group.unenforced, 0)
  const missing = await ledger.missing()
  const about = query.server === undefined ? query : { ...query, server: name(query.server) }
  return { sentence: whoSentence(about, named, { unenforced, missing }), rows: named }
}

function selectGroups(ledger: Ledger, filter: Parameters<typeof callsMatching>[0]) {
  const keys = ['agent', 'agentName', 'owner', 'person', 'grantId', 'chain', 'carriers'] as const
  return ledger.db
    .selectFrom('auditCall')
    .where(callsMatching(filter))
    .groupBy(keys)
    .select(keys)
    .select([
      sql<number>`sum(passed)`.as('passed'),
      sql<number>`sum(1 - passed)`.as('refused'),
      sql<number>`sum(case when passed = 1 and verdict <> 'permit' then 1 else 0 end)`.as('unenforced'),
      sql<number>`min(at)`.as('first'),
      sql<number>`max(at)`.as('last'),
    ])
    .limit(MAX_GROUPS + 1)
    .execute()
}

/** Brings together what only another name or another set of assignments kept apart; the newest name stands. */
function mergeGroups(groups: Awaited<ReturnType<typeof selectGroups>>): WhoRow[] {
  const merged = new Map<string, WhoRow>()
  for (const group of groups.toSorted((a, b) => Number(a.last) - Number(b.last))) {
    const { agent, agentName, owner, person, grantId, chain, carriers } = group
    const key = JSON.stringify([agent, owner, person, grantId, chain])
    const before = merged.get(key)
    const creators = person === null ? Ids.parse(JSON.parse(carriers)) : [person]
    const [first, last] = [isoTime(group.first), isoTime(group.last)]
    merged.set(key, {
      agent,
      agentName,
      owner,
      person,
      authorizedBy: [...new Set([...(before?.authorizedBy ?? []), ...creators])],
      grant: grantId,
      via: Ids.parse(JSON.parse(chain)),
      permitted: (before?.permitted ?? 0) + group.passed,
      refused: (before?.refused ?? 0) + group.refused,
      first: before && before.first < first ? before.first : first,
      last: before && before.last > last ? before.last : last,
    })
  }
  return [...merged.values()].sort(
    (a, b) =>
      b.permitted - a.permitted || b.refused - a.refused || (a.agent ?? '').localeCompare(b.agent ?? ''),
  )
}
