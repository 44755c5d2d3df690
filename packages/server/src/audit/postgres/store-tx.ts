import { type RawBuilder, sql } from 'kysely'
import type { Tx } from '../../store/index.ts'
import { cutAtTiles, hashOf, packData, packEntries, type StoredEntry, unpackEntries } from '../bundle.ts'
import type { Gap } from '../counters.ts'
import { column, type Entry, NAMED } from '../entry.ts'
import { type IndexedEntry, type LedgerTx, nameOf, type Stored } from '../ingest.ts'
import { putNames } from './names.ts'
import { RECORD_COLUMNS } from './schema.ts'

const ODD_REACH_MS = 2 * 3_600_000

/** The texts of an entry that are kept as names. */
export function textsOf(entry: Entry): string[] {
  return NAMED.flatMap(name => {
    const text = entry.names[name]
    return text === null || text === undefined ? [] : [column(text)]
  })
}

export function createStoreTx(tx: Tx, names: ReadonlyMap<string, number>, receivedAt: number): LedgerTx {
  /** Numbers of logs, as this transaction sees them. */
  const logs = new Map<string, number>()
  return {
    ...counterMethods(tx),
    find: entries => findStored(tx, entries),
    async reserve(counts) {
      const firsts = new Map<string, number>()
      // In one order everywhere, so that two nodes do not wait for each other in a circle. The row stays locked until
      // the commit: so the entries of a log become visible in the order of their indexes, and without a gap.
      for (const [name, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const { id, first } = (await extendLog(tx, name, count)) ?? (await beginLog(tx, name, count))
        logs.set(name, id)
        firsts.set(name, first)
      }
      return firsts
    },
    async insert(entries) {
      const { rows: seqs } = await sql<{ seq: number }>`
        select nextval('audit_seq') as seq from generate_series(1, ${entries.length})`.execute(tx)
      const numbered = entries.map((each, i) => ({
        ...each,
        seq: seqs[i]?.seq ?? 0,
        log: logs.get(each.entry.log) ?? 0,
      }))
      // Those of what the transaction itself has to say.
      const unnamed = entries.flatMap(({ entry }) => textsOf(entry)).filter(text => !names.has(text))
      const all = unnamed.length === 0 ? names : new Map([...names, ...(await putNames(tx, unnamed))])
      await insertRecords(tx, numbered, all, receivedAt)
      await insertTerms(tx, numbered)
      await insertOdd(tx, numbered)
      await insertBundles(tx, numbered)
    },
  }
}

async function extendLog(
  tx: Tx,
  name: string,
  count: number,
): Promise<{ id: number; first: number } | undefined> {
  const { rows } = await sql<{ id: number; first: number }>`
    update audit_log set entries = entries + ${count}
    where name = ${name} and generation = (select max(generation) from audit_log where name = ${name})
    returning id, entries - ${count} as first`.execute(tx)
  return rows[0]
}

async function beginLog(tx: Tx, name: string, count: number): Promise<{ id: number; first: number }> {
  await sql`insert into audit_log (name, generation, entries) values (${name}, 1, 0) on conflict do nothing`.execute(
    tx,
  )
  await sql`insert into audit_tree (log, size, edge, root)
    select id, 0, ''::bytea, ''::bytea from audit_log where name = ${name} on conflict do nothing`.execute(tx)
  const begun = await extendLog(tx, name, count)
  if (!begun) throw new Error('unreachable: the log was begun, here or by another node')
  return begun
}

type Numbered = IndexedEntry & { seq: number; log: number }

/** One statement a table: a column travels as one array. */
async function insertRecords(
  tx: Tx,
  entries: readonly Numbered[],
  names: ReadonlyMap<string, number>,
  receivedAt: number,
): Promise<void> {
  const nameIds = NAMED.map(name =>
    entries.map(({ entry }) => {
      const text = entry.names[name]
      return text === null || text === undefined ? null : (names.get(column(text)) ?? null)
    }),
  )
  const of = <T>(pick: (entry: Entry) => T) => entries.map(({ entry }) => pick(entry))
  const columns = [
    entries.map(({ seq }) => seq),
    of(({ at }) => at),
    of(({ at }) => receivedAt - at),
    entries.map(({ log }) => log),
    entries.map(({ index }) => index),
    of(({ kind }) => kind),
    of(({ key }) => key.toString('hex')),
    of(({ verdict }) => verdict),
    of(({ passed }) => passed),
    of(({ took }) => took),
    ...nameIds,
  ]
  const types = Object.values(RECORD_COLUMNS)
  const arrays = columns.map((values, i) => arrayOf(values, types[i] ?? 'text'))
  const list = sql.raw(Object.keys(RECORD_COLUMNS).join(', '))
  await sql`insert into audit_record (${list}) select * from unnest(${sql.join(arrays)})`.execute(tx)
}

function arrayOf(values: readonly unknown[], type: string): RawBuilder<unknown> {
  return sql`${values}::${sql.raw(type)}[]`
}

async function insertTerms(tx: Tx, entries: readonly Numbered[]): Promise<void> {
  const terms = entries.flatMap(({ entry, seq }) =>
    [...new Set(entry.terms)].map(term => ({ term, at: entry.at, seq })),
  )
  if (terms.length === 0) return
  await sql`insert into audit_term (term, at, seq) select * from unnest(
    ${terms.map(({ term }) => term)}::bigint[], ${terms.map(({ at }) => at)}::bigint[],
    ${terms.map(({ seq }) => seq)}::bigint[])`.execute(tx)
}

async function insertOdd(tx: Tx, entries: readonly Numbered[]): Promise<void> {
  const odd = entries.filter(({ entry }) => entry.isOdd)
  if (odd.length === 0) return
  await sql`insert into audit_odd (key, kind, log, idx) select * from unnest(
    ${odd.map(({ entry }) => entry.key.toString('hex'))}::uuid[], ${odd.map(({ entry }) => entry.kind)}::smallint[],
    ${odd.map(({ log }) => log)}::integer[], ${odd.map(({ index }) => index)}::bigint[])`.execute(tx)
}

async function insertBundles(tx: Tx, entries: readonly Numbered[]): Promise<void> {
  const bundles = [...Map.groupBy(entries, ({ log }) => log)].flatMap(([log, ofLog]) =>
    cutAtTiles(ofLog[0]?.index ?? 0, ofLog).map(({ first, entries: cut }) => ({
      ...{ log, first, count: cut.length },
      entries: packEntries(cut.map(({ entry }) => entry)),
      data: packData(
        cut.map(({ entry: { data, dataKey } }) =>
          data === null || dataKey === null ? null : { data, key: dataKey },
        ),
      ),
    })),
  )
  await sql`insert into audit_bundle (log, first, count, entries, data) select * from unnest(
    ${bundles.map(({ log }) => log)}::integer[], ${bundles.map(({ first }) => first)}::bigint[],
    ${bundles.map(({ count }) => count)}::integer[], ${bundles.map(bundle => bundle.entries)}::bytea[],
    ${bundles.map(({ data }) => data)}::bytea[])`.execute(tx)
}

interface StoredRow {
  key: string
  kind: number
  log: number
  idx: number
}

/** Looks up ids where their time says that they would be, and among the odd ones. */
async function findStored(tx: Tx, entries: readonly Entry[]): Promise<Map<string, Stored>> {
  if (entries.length === 0) return new Map()
  const keys = entries.map(({ key }) => key.toString('hex'))
  const times = entries.map(({ at }) => at)
  const from = times.reduce((a, b) => Math.min(a, b)) - ODD_REACH_MS
  const to = times.reduce((a, b) => Math.max(a, b)) + ODD_REACH_MS
  const { rows } = await sql<StoredRow>`
    select key, kind, log, idx from audit_record where key = any(${keys}::uuid[]) and at between ${from} and ${to}
    union select key, kind, log, idx from audit_odd where key = any(${keys}::uuid[])`.execute(tx)
  const wanted = new Set(entries.map(nameOf))
  const found = new Map<string, Stored>()
  const hashAt = createHashAt(tx)
  for (const { key, kind, log, idx } of rows.sort((a, b) => a.log - b.log || a.idx - b.idx)) {
    const name = nameOf({ kind: kind as Entry['kind'], key: Buffer.from(key.replaceAll('-', ''), 'hex') })
    if (wanted.has(name)) found.set(name, { index: idx, hash: await hashAt(log, idx) })
  }
  return found
}

/** Only asked for what comes a second time, in the order in which it lies. */
function createHashAt(tx: Tx): (log: number, index: number) => Promise<Buffer> {
  let open: { log: number; first: number; entries: StoredEntry[] } | undefined
  return async (log, index) => {
    if (open?.log !== log || index >= open.first + open.entries.length) {
      const { rows } = await sql<{ first: number; entries: Buffer }>`
        select first, entries from audit_bundle where log = ${log} and first <= ${index}
        order by first desc limit 1`.execute(tx)
      const [row] = rows
      open = row && { log, first: row.first, entries: unpackEntries(row.entries) }
    }
    const entry = open?.entries[index - open.first]
    if (!entry) throw new Error(`unreachable: entry ${index} of log ${log} is named and not stored`)
    return hashOf(entry)
  }
}

function counterMethods(tx: Tx): Pick<LedgerTx, 'received' | 'saveReceived' | 'standing'> {
  return {
    async received(point, epoch, range) {
      await sql`insert into audit_point (point, epoch, highest) values (${point}, ${epoch}, 0)
        on conflict do nothing`.execute(tx)
      // Shipments of one start queue here: what each finds received is what the one before left.
      const { rows } = await sql<{ highest: number }>`
        select highest from audit_point where point = ${point} and epoch = ${epoch} for update`.execute(tx)
      const gaps = await sql<Gap>`
        select first, last from audit_gap
        where point = ${point} and epoch = ${epoch} and last >= ${range.first} and first <= ${range.last}
        order by first`.execute(tx)
      return { highest: rows[0]?.highest ?? 0, gaps: gaps.rows }
    },
    async saveReceived(point, epoch, highest, closed, opened) {
      await sql`update audit_point set highest = ${highest}
        where point = ${point} and epoch = ${epoch}`.execute(tx)
      if (closed.length > 0)
        await sql`delete from audit_gap where point = ${point} and epoch = ${epoch}
          and first = any(${closed.map(gap => gap.first)}::bigint[])`.execute(tx)
      if (opened.length > 0)
        await sql`insert into audit_gap (point, epoch, first, last)
          select ${point}::text, ${epoch}::bigint, * from unnest(
            ${opened.map(gap => gap.first)}::bigint[], ${opened.map(gap => gap.last)}::bigint[])`.execute(tx)
    },
    async standing(point, epoch) {
      const { rows } = await sql<{ counter: number | null; missing: number }>`
        select
          coalesce((select min(first) - 1 from audit_gap where point = ${point} and epoch = ${epoch}),
                   (select highest from audit_point where point = ${point} and epoch = ${epoch})) as counter,
          coalesce((select sum(last - first + 1) from audit_gap where point = ${point}), 0) as missing`.execute(
        tx,
      )
      return { counter: rows[0]?.counter ?? 0, missing: rows[0]?.missing ?? 0 }
    },
  }
}
