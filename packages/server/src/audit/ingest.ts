import { createHash } from 'node:crypto'
import { type Gap, type Received, receive } from './counters.ts'
import type { Batch, Entry } from './entry.ts'

/** A row of `audit_change`, in the order of CHANGE_COLUMNS. */
export type ChangeValues = [
  id: string,
  at: number,
  organization: string | null,
  type: string,
  actor: string,
  target: string,
  body: string,
]

/** A row of `audit_resource`, in the order of RESOURCE_COLUMNS. */
export type ResourceValues = [call: string, organization: string | null, resource: string]

/** What became of a shipment, and how complete the point's record is after it. */
export interface Ingested {
  /** Stored now. */
  accepted: number
  /** Known already, word for word. */
  repeated: number
  /** Refused, because another record has their id or number; each is on record as a `record.conflict`. */
  conflicts: number
  /** Of the present start: the number up to which everything has arrived. */
  counter: number
  /** Of all starts: how many records have not arrived. */
  missing: number
}

/** What one transaction of the database must offer; the rules of ingest are the same over both databases. */
export interface LedgerTx {
  /** What has arrived of this start, locked until the end; of the gaps those that touch the range. */
  received(point: string, epoch: number, range: Gap): Received | Promise<Received>
  saveReceived(
    point: string,
    epoch: number,
    highest: number,
    closed: Gap[],
    opened: Gap[],
  ): void | Promise<void>
  /** Inserts entries whose id is new; gives the ids that were. */
  insert(table: Entry['table'], entries: readonly Entry[]): Set<string> | Promise<Set<string>>
  bodies(
    table: Entry['table'],
    point: string,
    ids: readonly string[],
  ): Map<string, string> | Promise<Map<string, string>>
  insertResources(rows: readonly ResourceValues[]): void | Promise<void>
  insertChanges(rows: readonly ChangeValues[]): void | Promise<void>
  standing(
    point: string,
    epoch: number,
  ): { counter: number; missing: number } | Promise<{ counter: number; missing: number }>
}

/**
 * Stores each record once, however often and in whatever order it is shipped. A number counts as arrived with the first
 * record that carries it; a second record under the same number or id is refused and reported, never stored over it.
 */
export async function ingestBatch(tx: LedgerTx, batch: Batch): Promise<Ingested> {
  const result = { accepted: 0, repeated: 0, conflicts: 0 }
  const byEpoch = Map.groupBy(batch.entries, entry => entry.epoch)
  for (const [epoch, entries] of byEpoch) {
    const fresh = await count(tx, batch.point, epoch, entries)
    const byTable = Map.groupBy(entries, entry => entry.table)
    for (const [table, rows] of byTable) {
      const inserted = new Set(
        await insertFirst(
          tx,
          table,
          rows.filter(entry => fresh.has(entry)),
        ),
      )
      result.accepted += inserted.size
      const doubtful = rows.filter(entry => !inserted.has(entry))
      if (doubtful.length === 0) continue
      const kept = await tx.bodies(table, batch.point, [...new Set(doubtful.map(({ id }) => id))])
      const conflicts = doubtful.filter(entry => kept.get(entry.id) !== entry.body)
      result.repeated += doubtful.length - conflicts.length
      result.conflicts += conflicts.length
      if (conflicts.length > 0) await tx.insertChanges(conflicts.map(entry => conflictOf(batch, entry)))
    }
  }
  return { ...result, ...(await tx.standing(batch.point, batch.epoch)) }
}

/** Notes the counters; gives the entries whose number arrives for the first time. */
async function count(tx: LedgerTx, point: string, epoch: number, entries: Entry[]): Promise<Set<Entry>> {
  const counters = entries.map(entry => entry.counter)
  const range = {
    first: counters.reduce((a, b) => Math.min(a, b)),
    last: counters.reduce((a, b) => Math.max(a, b)),
  }
  const before = await tx.received(point, epoch, range)
  const { after, fresh } = receive(before, counters)
  const same = (a: Gap) => (b: Gap) => a.first === b.first && a.last === b.last
  const closed = before.gaps.filter(gap => !after.gaps.some(same(gap)))
  const opened = after.gaps.filter(gap => !before.gaps.some(same(gap)))
  if (after.highest !== before.highest || closed.length > 0)
    await tx.saveReceived(point, epoch, after.highest, closed, opened)
  return new Set(entries.filter((_, index) => fresh[index]))
}

async function insertFirst(tx: LedgerTx, table: Entry['table'], entries: Entry[]): Promise<Entry[]> {
  if (entries.length === 0) return []
  const first = new Map<string, Entry>()
  for (const entry of entries) if (!first.has(entry.id)) first.set(entry.id, entry)
  const candidates = [...first.values()]
  const ids = await tx.insert(table, candidates)
  const inserted = candidates.filter(entry => ids.has(entry.id))
  const named = inserted.flatMap(({ id, organization, otherResources }) =>
    otherResources.map((resource): ResourceValues => [id, organization, resource]),
  )
  if (named.length > 0) await tx.insertResources(named)
  return inserted
}

/** The refusal as a recorded change, with an id that its content gives, so that a repeat is not reported twice. */
function conflictOf(batch: Batch, entry: Entry): ChangeValues {
  const { point, receivedAt } = batch
  const { id: target, organization, epoch, counter } = entry
  const sha256 = createHash('sha256').update(entry.body).digest('hex')
  const id = `evt_${createHash('sha256').update(`${point}/${epoch}/${counter}/${sha256}`).digest('hex').slice(0, 26)}`
  const at = new Date(receivedAt).toISOString()
  const detail = { epoch, counter, sha256, kind: entry.table === 'audit_call' ? 'attempt' : 'outcome' }
  const body = { id, at, organization, type: 'record.conflict', actor: point, target, detail }
  return [id, receivedAt, organization, body.type, point, target, JSON.stringify(body)]
}
