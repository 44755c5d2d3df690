import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { AppError, isoTime } from '@valetkey/sdk/core'
import * as z from 'zod'
import type { Db } from '../../store/index.ts'
import type { Ledger } from '../ledger.ts'
import { type CallQuery, readQuestion, toAsked } from './asked.ts'
import { namesOf } from './names.ts'
import { resolveCalls } from './resolve.ts'
import type { Group, GroupColumn } from './rows.ts'
import { whoSentence } from './sentence.ts'

type Answer = Output<AdminApi['audit']['who']>
type WhoRow = Answer['rows'][number]

const MAX_GROUPS = 10_000
const Ids = z.array(z.string())
const BY = [
  'actor',
  'actor_name',
  'owner',
  'person',
  'grant_id',
  'chain',
  'carriers',
] as const satisfies GroupColumn[]

/** Who acted, for whom and by whose leave: one row for an agent, its owner, person, grant and chain; busiest first. */
export async function findWho(ledger: Ledger, facts: Db, query: CallQuery, now: number): Promise<Answer> {
  const question = readQuestion(query, now)
  const filter = await resolveCalls(facts, question)
  const { groups, isCut, lookedBackTo } = await ledger.summarize({ filter, by: BY, limit: MAX_GROUPS })
  if (isCut)
    throw new AppError(
      'request.invalid',
      `The answer has more than ${MAX_GROUPS} rows. Name a resource, an agent or a shorter time.`,
    )
  const rows = mergeGroups(groups)
  const name = await namesOf(
    facts,
    rows
      .flatMap(row => [row.owner, row.person, ...row.authorizedBy])
      .concat(question.wanted.server?.any ?? [])
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
  const backTo = lookedBackTo === null ? null : isoTime(lookedBackTo)
  return {
    sentence: whoSentence(question, name, named, { unenforced, missing, lookedBackTo: backTo }),
    rows: named,
    asked: toAsked(question),
    lookedBackTo: backTo,
  }
}

/** Brings together what only another name or another set of assignments kept apart; the newest name stands. */
function mergeGroups(groups: readonly Group[]): WhoRow[] {
  const merged = new Map<string, WhoRow>()
  for (const group of groups.toSorted((a, b) => a.last - b.last)) {
    const [agent, agentName, owner, person, grant, chain, carriers] = group.keys.map(key =>
      key === null ? null : String(key),
    ) as [
      string | null,
      string | null,
      string | null,
      string | null,
      string | null,
      string | null,
      string | null,
    ]
    const key = JSON.stringify([agent, owner, person, grant, chain])
    const before = merged.get(key)
    const creators = person === null ? Ids.parse(JSON.parse(carriers ?? '[]')) : [person]
    const [first, last] = [isoTime(group.first), isoTime(group.last)]
    merged.set(key, {
      ...{ agent, agentName, owner, person, grant },
      authorizedBy: [...new Set([...(before?.authorizedBy ?? []), ...creators])],
      via: Ids.parse(JSON.parse(chain ?? '[]')),
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
