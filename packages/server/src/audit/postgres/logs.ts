import { EMPTY_ROOT, edgeFromBytes, edgeToBytes, rootOfEdge } from '@valetkey/sdk/evidence'
import { sql } from 'kysely'
import type { Db, Store, Tx } from '../../store/index.ts'
import {
  hashOf,
  packData,
  packEntries,
  type StoredData,
  type StoredEntry,
  TILE,
  unpackData,
  unpackEntries,
  withoutData,
} from '../bundle.ts'
import type { GrownLog, KeptNote, LogEntry, LogState } from '../ledger.ts'
import { type GrownTile, growTree, openTile, TILE_HASHES, TOP_LEVEL } from '../log/growth.ts'
import type { Erasure } from '../proof/erase.ts'

interface TreeRow extends Omit<LogState, 'note' | 'cosigned'> {
  edge: Buffer
}

/** At most so many entries of a log are taken into its tree in one transaction. */
const MOST_AT_ONCE = 20_000

/** Takes durable entries into the trees of their logs; gives those that grew here. Any number of nodes may do it at once. */
export async function growLogs(store: Store): Promise<GrownLog[]> {
  const grown = new Map<number, number>()
  for (;;) {
    const { rows } = await sql<TreeRow>`
      select id, name, generation, entries, size, edge, root from audit_log join audit_tree on log = id
      where entries > size order by id`.execute(store.db)
    let hasMoved = false
    for (const log of rows)
      if (await growLog(store, log)) {
        if (!grown.has(log.id)) grown.set(log.id, log.size)
        hasMoved = true
      }
    // Nothing to do, or another node did it.
    if (!hasMoved) {
      const logs = grown.size === 0 ? [] : await listLogs(store.db, [...grown.keys()])
      return logs.map(log => ({ log, from: grown.get(log.id) ?? 0 }))
    }
  }
}

/**
 * The tree is computed from what is committed, and written only if it still has the size from which it was computed: of
 * two nodes one writes, and the other begins anew. A node that was thought dead and comes back writes nothing.
 */
async function growLog(store: Store, log: TreeRow): Promise<boolean> {
  const to = Math.min(log.entries, log.size + MOST_AT_ONCE)
  const entries = await readEntries(store.db, log.id, log.size, to)
  const partial = await openTiles(store.db, log)
  const edge = edgeFromBytes(log.size, log.edge)
  const tiles = growTree(
    edge,
    entries.map(({ entry }) => hashOf(entry)),
    (level, number) => partial.get(`${level}/${number}`) ?? Buffer.alloc(0),
  )
  const root = rootOfEdge(edge)
  return store.write(async tx => {
    const { numAffectedRows } = await sql`
      update audit_tree set size = ${to}, edge = ${edgeToBytes(edge)}, root = ${root}
      where log = ${log.id} and size = ${log.size}`.execute(tx)
    if (numAffectedRows !== 1n) return false
    // Leaves are read from the entries: written again with every growth until it is full, a tile would take up several.
    await putTiles(
      tx,
      log.id,
      tiles.filter(({ level }) => level > 0),
    )
    await mergeBundles(tx, log.id, log.size, to)
    return true
  })
}

async function openTiles(db: Db, { id, size }: TreeRow): Promise<Map<string, Buffer>> {
  const levels = Array.from({ length: TOP_LEVEL }, (_, i) => i + 1)
  const numbers = levels.map(level => openTile(size, level))
  const { rows } = await sql<GrownTile>`
    select tile.level, tile.number, hashes from audit_tile as tile
    join unnest(${levels}::integer[], ${numbers}::bigint[]) as wanted (level, number)
      on tile.level = wanted.level and tile.number = wanted.number
    where log = ${id}`.execute(db)
  return new Map(rows.map(({ level, number, hashes }) => [`${level}/${number}`, hashes]))
}

async function putTiles(tx: Tx, log: number, tiles: readonly GrownTile[]): Promise<void> {
  for (const { level, number, hashes } of tiles)
    await sql`insert into audit_tile (log, level, number, hashes) values (${log}, ${level}, ${number}, ${hashes})
      on conflict (log, level, number) do update set hashes = excluded.hashes`.execute(tx)
}

/** Packs a tile's entries together once it is full: in the shipments in which they came they take several times the space. */
async function mergeBundles(tx: Tx, log: number, from: number, to: number): Promise<void> {
  const [first, last] = [Math.floor(from / TILE) * TILE, Math.floor(to / TILE) * TILE]
  if (first === last) return
  const { rows } = await sql<BundleRow>`
    select first, count, entries, data from audit_bundle
    where log = ${log} and first >= ${first} and first < ${last} order by first for update`.execute(tx)
  for (const [tile, parts] of Map.groupBy(rows, row => Math.floor(row.first / TILE) * TILE)) {
    if (parts.length === 1) continue
    const entries = parts.flatMap(part => unpackEntries(part.entries))
    const data = parts.flatMap(part => unpackData(part.data, part.count))
    await sql`delete from audit_bundle where log = ${log} and first >= ${tile} and first < ${tile + TILE}`.execute(
      tx,
    )
    await sql`insert into audit_bundle (log, first, count, entries, data)
      values (${log}, ${tile}, ${entries.length}, ${packEntries(entries, 3)}, ${packData(data, 3)})`.execute(
      tx,
    )
  }
}

interface BundleRow {
  first: number
  count: number
  entries: Buffer
  data: Buffer | null
}

export async function readEntries(db: Db, log: number, from: number, to: number): Promise<LogEntry[]> {
  if (to <= from) return []
  const { rows } = await sql<BundleRow>`
    select first, count, entries, data from audit_bundle
    where log = ${log} and first + count > ${from} and first >= ${Math.floor(from / TILE) * TILE} and first < ${to}
    order by first`.execute(db)
  const entries: LogEntry[] = []
  for (const row of rows) {
    const leaves: StoredEntry[] = unpackEntries(row.entries)
    const data: StoredData[] = unpackData(row.data, row.count)
    for (const [i, entry] of leaves.entries())
      if (row.first + i >= from && row.first + i < to) entries.push({ entry, data: data[i] ?? null })
  }
  if (entries.length !== to - from)
    throw new Error(`unreachable: entries ${from} to ${to} of log ${log} are not all stored`)
  return entries
}

/** Logs, all or those with these numbers or names, each with its newest checkpoints. */
export async function listLogs(db: Db, only?: readonly (number | string)[]): Promise<LogState[]> {
  const isAll = only === undefined
  const ids = only?.filter(each => typeof each === 'number') ?? []
  const names = only?.filter(each => typeof each === 'string') ?? []
  const { rows } = await sql<LogState>`
    select id, name, generation, entries, size, root,
      (select note from audit_note where log = id order by size desc limit 1) as note,
      (select note from audit_note where log = id and cosigned = 1 order by size desc limit 1) as cosigned
    from audit_log join audit_tree on log = id 
    where ${isAll}::boolean or id = any(${ids}::integer[]) or name = any(${names}::text[])
    order by name, generation`.execute(db)
  return rows.map(log => ({ ...log, root: log.size === 0 ? EMPTY_ROOT : log.root }))
}

/** Logs, of each name the newest generation, whose tree is not signed as it is now. */
export async function listUnsigned(db: Db): Promise<LogState[]> {
  const { rows } = await sql<{ id: number }>`
    select id from audit_log as log join audit_tree as tree on tree.log = id
    where tree.size > 0
      and not exists (select 1 from audit_note as note where note.log = id and note.size = tree.size)
      and not exists (select 1 from audit_log as next where next.name = log.name and next.generation > log.generation)`.execute(
    db,
  )
  return rows.length === 0
    ? []
    : listLogs(
        db,
        rows.map(({ id }) => id),
      )
}

export async function keepNotes(tx: Tx, notes: readonly KeptNote[]): Promise<void> {
  for (const { log, size, note, isAnchor, isCosigned } of notes) {
    await sql`
      insert into audit_note (log, size, note, anchor, cosigned)
      values (${log}, ${size}, ${note}, ${isAnchor ? 1 : 0}, ${isCosigned ? 1 : 0})
      on conflict (log, size) do update set
        note = case when audit_note.cosigned > excluded.cosigned then audit_note.note else excluded.note end,
        anchor = greatest(audit_note.anchor, excluded.anchor),
        cosigned = greatest(audit_note.cosigned, excluded.cosigned)`.execute(tx)
    await sql`delete from audit_note where log = ${log} and size < ${size} and anchor = 0`.execute(tx)
  }
}

/**
 * Keeps the tree of a log from growing until the commit. Growth packs bundles anew: whoever waits for a row that is taken
 * out meanwhile does not see the one that takes its place.
 */
export async function holdGrowth(tx: Tx, log: number): Promise<void> {
  await sql`select 1 from audit_tree where log = ${log} for update`.execute(tx)
}

/** Erases what lies beside entries. */
export async function eraseData(tx: Tx, { log: name, generation, places }: Erasure): Promise<void> {
  const { rows: logs } = await sql<{ id: number }>`
    select id from audit_log where name = ${name} and generation = ${generation}`.execute(tx)
  const { id: log } = logs[0] ?? {}
  if (log === undefined) return
  await holdGrowth(tx, log)
  for (const [from, count] of places) {
    const { rows } = await sql<BundleRow>`
      select first, count, entries, data from audit_bundle
      where log = ${log} and first + count > ${from} and first >= ${Math.floor(from / TILE) * TILE} and first < ${from + count}
      order by first for update`.execute(tx)
    for (const { first, count: held, data } of rows)
      await sql`update audit_bundle set data = ${withoutData({ first, count: held, data }, [from, count])}
        where log = ${log} and first = ${first}`.execute(tx)
  }
}

export async function listAnchors(db: Db, log: number): Promise<string[]> {
  const { rows } = await sql<{ note: string }>`
    select note from audit_note where log = ${log} and anchor = 1 order by size`.execute(db)
  return rows.map(({ note }) => note)
}

export async function readTile(db: Db, log: number, level: number, number: number): Promise<Buffer> {
  if (level > 0) {
    const { rows } = await sql<{ hashes: Buffer }>`
      select hashes from audit_tile where log = ${log} and level = ${level} and number = ${number}`.execute(
      db,
    )
    return rows[0]?.hashes ?? Buffer.alloc(0)
  }
  const { rows } = await sql<{ size: number }>`select size from audit_tree where log = ${log}`.execute(db)
  const to = Math.min(rows[0]?.size ?? 0, (number + 1) * TILE_HASHES)
  const entries = await readEntries(db, log, number * TILE_HASHES, to)
  return Buffer.concat(entries.map(({ entry }) => hashOf(entry)))
}

export async function beginGeneration(tx: Tx, name: string): Promise<void> {
  await sql`insert into audit_log (name, generation, entries)
    select ${name}, coalesce(max(generation), 0) + 1, 0 from audit_log where name = ${name}`.execute(tx)
  await sql`insert into audit_tree (log, size, edge, root)
    select id, 0, ''::bytea, ''::bytea from audit_log where name = ${name} on conflict do nothing`.execute(tx)
}
