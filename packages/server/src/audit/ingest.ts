import { sha256 } from '@valetkey/sdk/evidence'
import { type Gap, type Received, receive } from './counters.ts'
import {
  type Batch,
  type Delivery,
  ENVIRONMENT_LOG,
  type Entry,
  eventEntry,
  KIND,
  type NumberedEntry,
  type Place,
  shipmentEntry,
} from './entry.ts'

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

/** An entry and the index that it has in its log for good. */
export interface IndexedEntry {
  entry: Entry
  index: number
}

/** A record that is there already. */
export interface Stored {
  index: number
  hash: Buffer
}

type Maybe<T> = T | Promise<T>

/** What one transaction of the database must offer; the rules of ingest are the same over both databases. */
export interface LedgerTx {
  /** What has arrived of this start, locked until the end; of the gaps those that touch the range. */
  received(point: string, epoch: number, range: Gap): Maybe<Received>
  saveReceived(point: string, epoch: number, highest: number, closed: Gap[], opened: Gap[]): Maybe<void>
  standing(point: string, epoch: number): Maybe<{ counter: number; missing: number }>
  /** Those of these entries whose kind and id are there already, by `nameOf`. */
  find(entries: readonly Entry[]): Maybe<Map<string, Stored>>
  /** Takes the next indexes of each log, for this transaction alone; gives the first of each. */
  reserve(counts: ReadonlyMap<string, number>): Maybe<Map<string, number>>
  insert(entries: readonly IndexedEntry[]): Maybe<void>
}

/** Names an entry by what must be there once. */
export function nameOf({ kind, key }: Pick<Entry, 'kind' | 'key'>): string {
  return `${kind}${key.toString('latin1')}`
}

/**
 * Stores each record once, however often and in whatever order it is shipped. A number counts as arrived with the first
 * record that carries it; a second record under the same number or id is refused and reported, never stored over it.
 * What a point vouched for goes into the log behind the records, so that the log alone can prove it.
 */
export async function ingestBatch(tx: LedgerTx, batch: Batch): Promise<Ingested> {
  const entries = batch.deliveries.flatMap(delivery => delivery.entries)
  const fresh = new Set<NumberedEntry>()
  for (const [epoch, ofEpoch] of Map.groupBy(entries, entry => entry.writer.epoch))
    for (const entry of await count(tx, batch.point, epoch, ofEpoch)) fresh.add(entry)
  // Only now: what another node stored of these numbers is committed, since counting waited for it.
  const stored = await tx.find(entries)
  const first = new Map<string, NumberedEntry>()
  const sorted = { repeated: [] as NumberedEntry[], conflicts: [] as NumberedEntry[] }
  const accepted = new Set<NumberedEntry>()
  for (const entry of entries) {
    const name = nameOf(entry)
    const other = stored.get(name)?.hash ?? first.get(name)?.hash
    if (other === undefined && fresh.has(entry)) {
      accepted.add(entry)
      first.set(name, entry)
    } else if (other?.equals(entry.hash)) sorted.repeated.push(entry)
    else sorted.conflicts.push(entry)
  }
  await store(tx, batch, accepted, stored, sorted.conflicts)
  return {
    accepted: accepted.size,
    repeated: sorted.repeated.length,
    conflicts: sorted.conflicts.length,
    ...(await tx.standing(batch.point, batch.epoch)),
  }
}

/** Appends records of the authority itself, each once. */
export async function appendEntries(tx: LedgerTx, entries: readonly Entry[]): Promise<void> {
  const stored = await tx.find(entries)
  const fresh = new Map<string, Entry>()
  for (const entry of entries)
    if (!stored.has(nameOf(entry)) && !fresh.has(nameOf(entry))) fresh.set(nameOf(entry), entry)
  if (fresh.size === 0) return
  const counts = new Map<string, number>()
  for (const { log } of fresh.values()) counts.set(log, (counts.get(log) ?? 0) + 1)
  const next = await tx.reserve(counts)
  await tx.insert([...fresh.values()].map(entry => ({ entry, index: take(next, entry.log) })))
}

/** Notes the counters; gives the entries whose number arrives for the first time. */
async function count(
  tx: LedgerTx,
  point: string,
  epoch: number,
  entries: readonly NumberedEntry[],
): Promise<NumberedEntry[]> {
  const counters = entries.map(({ writer }) => writer.counter)
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
  return entries.filter((_, index) => fresh[index])
}

/** Puts accepted records into their logs, each delivery followed by what its point signed, and then what was refused. */
async function store(
  tx: LedgerTx,
  batch: Batch,
  accepted: ReadonlySet<NumberedEntry>,
  stored: ReadonlyMap<string, Stored>,
  conflicts: readonly NumberedEntry[],
): Promise<void> {
  const reports = conflicts.map(entry => conflictOf(batch, entry))
  const known = reports.length === 0 ? new Map<string, Stored>() : await tx.find(reports)
  const unheard = reports.filter(
    (report, i) => !known.has(nameOf(report)) && reports.findIndex(each => each.id === report.id) === i,
  )
  const deliveries = batch.deliveries.filter(({ entries }) => entries.some(entry => accepted.has(entry)))
  const counts = new Map<string, number>()
  const need = (log: string, more: number) => counts.set(log, (counts.get(log) ?? 0) + more)
  for (const { entries } of deliveries) {
    const log = entries[0]?.log ?? ''
    need(log, entries.filter(entry => accepted.has(entry)).length + 1)
  }
  for (const { log } of unheard) need(log, 1)
  if (counts.size === 0) return
  const next = await tx.reserve(counts)
  const placed = new Map(stored)
  const rows = deliveries.flatMap(delivery =>
    placeDelivery(delivery, batch.receivedAt, { accepted, placed, next }),
  )
  for (const report of unheard) rows.push({ entry: report, index: take(next, report.log) })
  await tx.insert(rows)
}

function placeDelivery(
  delivery: Delivery,
  receivedAt: number,
  known: {
    accepted: ReadonlySet<NumberedEntry>
    /** What was there before, and what was given an index since. */
    placed: Map<string, Stored>
    next: Map<string, number>
  },
): IndexedEntry[] {
  const { accepted, placed, next } = known
  const rows: IndexedEntry[] = []
  const places = delivery.entries.map((entry): Place => {
    const name = nameOf(entry)
    if (accepted.has(entry)) {
      const index = take(next, entry.log)
      placed.set(name, { index, hash: entry.hash })
      rows.push({ entry, index })
      return index
    }
    const before = placed.get(name)
    return before?.hash.equals(entry.hash) ? before.index : entry.hash.toString('base64url')
  })
  const entry = shipmentEntry(delivery, places, receivedAt)
  return [...rows, { entry, index: take(next, entry.log) }]
}

function take(next: Map<string, number>, log: string): number {
  const index = next.get(log)
  if (index === undefined) throw new Error('unreachable: every log that is written to was reserved')
  next.set(log, index + 1)
  return index
}

/** The refusal as a recorded change, with an id that its content gives, so that a repeat is not reported twice. */
function conflictOf(batch: Batch, entry: NumberedEntry): Entry {
  const { point, receivedAt } = batch
  const { epoch, counter } = entry.writer
  const sha = entry.hash.toString('hex')
  const id = `evt_${sha256(`${point}/${epoch}/${counter}/${sha}`).toString('hex').slice(0, 26)}`
  const at = new Date(receivedAt).toISOString()
  const kind = entry.kind === KIND.attempt ? 'attempt' : 'outcome'
  const organization = entry.log === ENVIRONMENT_LOG ? null : entry.log
  const detail = { epoch, counter, sha256: sha, kind }
  return eventEntry({ id, at, organization, type: 'record.conflict', actor: point, target: entry.id, detail })
}
