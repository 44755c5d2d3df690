import type { AdminApi, Output, Parsed } from '@valetkey/sdk/contract'
import { AppError, type JsonObject } from '@valetkey/sdk/core'
import { ERASED } from '@valetkey/sdk/evidence'
import type { Tx } from '../../store/index.ts'
import { column, KIND, runsOf } from '../entry.ts'
import type { Ledger } from '../ledger.ts'
import { readQuestion } from '../question/asked.ts'
import { findOrganization, resolveCalls } from '../question/resolve.ts'
import { type FoundRecord, only, type RecordFilter } from '../question/rows.ts'
import { type ChangeEvent, recordAll } from '../record.ts'
import { HELD_BY } from '../retention/expiry.ts'
import { standingHolds } from '../retention/retention.ts'
import type { ProofParts } from './proof.ts'

export type ErasureWish = Parsed<AdminApi['evidence']['erase']>
export type Erased = Output<AdminApi['evidence']['erase']>

/** Records whose data goes, as runs of entries in one generation of a log. */
export interface Erasure {
  log: string
  generation: number
  places: [number, number][]
}

/**
 * Erases what lies beside records: arguments, details, and whatever was too long for an entry. First it goes on record
 * which, in the transaction that makes it a promise; the outbox then erases before it moves that record on, so that
 * a crash in between is made up for.
 */
export async function eraseEvidence(parts: ProofParts, wish: ErasureWish, actor: string): Promise<Erased> {
  const { store, ledger, logs, flush, now } = parts
  const { person, resource, record: recordId, reason } = wish
  if ([person, resource, recordId].every(given => given === undefined))
    throw new AppError('request.invalid', 'Name a person, a resource or a record.', { path: 'person' })
  await flush()
  const filters = await filtersOf(parts, wish)
  const found = new Map<number, FoundRecord[]>()
  for (const filter of filters)
    for await (const row of findRows(ledger, filter, recordId)) {
      // What was erased is said by its record for as long as the log is there.
      if (row.data === null || typeOf(row) === ERASED) continue
      found.set(row.log, [...(found.get(row.log) ?? []), row])
    }
  const known = await logs.list()
  // A record that is named by its id is looked up in all logs.
  const within = filters[0]?.logs?.any
  const persons = filters[0]?.named?.person?.any
  const events: ChangeEvent[] = []
  const doomed: { organization: string; rows: FoundRecord[] }[] = []
  const ids = new Set<string>()
  for (const [id, rows] of found) {
    const log = known.find(each => each.id === id)
    if (!log) throw new Error('unreachable: its record was found')
    if (within && !within.includes(log.name)) continue
    doomed.push({ organization: log.name, rows })
    const places = runsOf([...new Set(rows.map(({ index }) => index))].sort((a, b) => a - b))
    for (const row of rows) ids.add(idOf(row))
    const detail: JsonObject = { reason, generation: log.generation, places, records: rows.length }
    const organization = log.name.startsWith('org_') ? log.name : null
    const target = persons?.[0] ?? recordId ?? `resource:${resource}`
    events.push({ organization, type: ERASED, actor, target, detail })
  }
  if (events.length > 0)
    await store.write(async tx => {
      // A hold is either seen here, or confirmed only after this.
      await ledger.standStill(tx)
      for (const { organization, rows } of doomed) await refuseWhatIsHeld(tx, organization, rows, persons)
      await recordAll(tx, events, now())
    })
  await flush()
  return { erased: ids.size, ids: [...ids].slice(0, 1_000) }
}

/** What must be kept for a court is not erased: all of an organization, or whatever is about one person, whoever asks. */
async function refuseWhatIsHeld(
  tx: Tx,
  organization: string,
  rows: readonly FoundRecord[],
  persons: readonly string[] | null | undefined,
): Promise<void> {
  for (const { id, personId, reason } of await standingHolds(tx, organization))
    if (
      personId === null ||
      !persons ||
      persons.includes(personId) ||
      rows.some(row => HELD_BY.some(column => leafOf(row)[column] === personId))
    )
      throw new AppError(
        'conflict.state',
        `These records are held (${id}: ${reason}). Release the hold first.`,
      )
}

/** What is to be looked for: calls for a person or on a resource, and changes of the person. */
async function filtersOf({ store, now }: ProofParts, wish: ErasureWish): Promise<RecordFilter[]> {
  const { person, resource, record } = wish
  const organization =
    wish.organization === undefined ? undefined : await findOrganization(store.db, wish.organization)
  const logs = organization === undefined ? undefined : only(organization)
  if (record !== undefined) return [{ kinds: [KIND.attempt, KIND.event], logs }]
  const calls = await resolveCalls(store.db, readQuestion({ organization, person, resource }, now()))
  const persons = calls.named?.person?.any
  if (!persons || resource !== undefined) return [calls]
  const changes = { kinds: [KIND.event], logs }
  const known = await store.db
    .selectFrom('principal')
    .select('externalId')
    .where('id', 'in', [...persons])
    .execute()
  return [
    calls,
    { ...changes, named: { target: { any: persons.map(id => column(id)), none: [] } } },
    // And whatever change names the person in words.
    ...known.map(({ externalId }) => ({ ...changes, text: { all: [externalId], none: [] } })),
  ]
}

async function* findRows(
  ledger: Ledger,
  filter: RecordFilter,
  record: string | undefined,
): AsyncGenerator<FoundRecord> {
  if (record !== undefined) {
    yield* await ledger.lookUp(record)
    return
  }
  let after: Awaited<ReturnType<Ledger['ask']>>['next'] | undefined
  do {
    const { rows, next } = await ledger.ask({ filter, limit: 200, ...(after && { after }) })
    yield* rows
    after = next
  } while (after)
}

function leafOf({ entry }: FoundRecord): JsonObject {
  return 'leaf' in entry ? (JSON.parse(entry.leaf) as JsonObject) : {}
}
const typeOf = (row: FoundRecord) => leafOf(row)['type']
const idOf = (row: FoundRecord) => String(leafOf(row)['id'])

/** The erasures among recorded changes, which are to be done before these are moved on. */
export function erasuresIn(events: readonly ChangeEvent[], environment: string): Erasure[] {
  return events
    .filter(({ type }) => type === ERASED)
    .map(({ organization, detail }) => ({
      log: organization ?? environment,
      // What `eraseEvidence` wrote.
      ...(detail as unknown as Pick<Erasure, 'generation' | 'places'>),
    }))
}
