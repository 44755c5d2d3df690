import { EMPTY_ROOT, edgeFromBytes, edgeToBytes, rootOfEdge, splitHashes } from '@valetkey/sdk/evidence'
import type Sqlite from 'better-sqlite3'
import type { GrownLog, KeptNote, LogEntry, LogState } from '../ledger.ts'
import { growTree } from '../log/growth.ts'
import { type BundleReader, createBundleReader, type View } from './bundles.ts'
import type { FreshHashes } from './fresh-hashes.ts'
import { prepareOnce } from './segments.ts'

export interface LogRow extends Omit<LogState, 'note' | 'cosigned'> {
  edge: Buffer
}

/** At most so many entries are taken into trees at a time, so that ingest waits for some milliseconds only. */
export const MOST_AT_ONCE = 5_000

const LOG_COLUMNS = 'id, name, generation, entries, size, edge, root'

/** Takes durable entries into the trees of their logs; gives those that grew. */
export function growLogs(view: View, fresh: FreshHashes): { grown: GrownLog[]; isDone: boolean } {
  const { database } = view
  const bundles = createBundleReader(view)
  const behind = database
    .prepare<[], LogRow>(`select ${LOG_COLUMNS} from log where entries > size order by id`)
    .all()
  let left = MOST_AT_ONCE
  const from = new Map<number, number>()
  database.transaction(() => {
    for (const log of behind) {
      const to = Math.min(log.entries, log.size + left)
      if (to === log.size) break
      const known = fresh.take(log.id, log.size, to)
      const hashes = known ? splitHashes(known) : hashesOf(bundles, log.id, log.size, to)
      growLog(database, log, to, hashes)
      left -= to - log.size
      from.set(log.id, log.size)
    }
  })()
  const grown = listLogs(database, [...from.keys()]).map(log => ({ log, from: from.get(log.id) ?? 0 }))
  return { grown, isDone: behind.length === 0 || left > 0 }
}

/** Grows a tree by what is stored. */
export function growFrom(database: Sqlite.Database, bundles: BundleReader, log: LogRow, to: number): LogRow {
  return growLog(database, log, to, hashesOf(bundles, log.id, log.size, to))
}

function growLog(database: Sqlite.Database, log: LogRow, to: number, hashes: Iterable<Buffer>): LogRow {
  const edge = edgeFromBytes(log.size, log.edge)
  const tiles = growTree(edge, hashes, (level, number) => readTile(database, log.id, level, number))
  const putTile = database.prepare(
    `insert into tile (log, level, number, hashes) values (?, ?, ?, ?)
     on conflict (log, level, number) do update set hashes = excluded.hashes`,
  )
  for (const { level, number, hashes } of tiles) putTile.run(log.id, level, number, hashes)
  const grown = { size: to, edge: edgeToBytes(edge), root: rootOfEdge(edge) }
  database
    .prepare('update log set size = ?, edge = ?, root = ? where id = ?')
    .run(grown.size, grown.edge, grown.root, log.id)
  return { ...log, ...grown }
}

function* hashesOf(bundles: BundleReader, log: number, from: number, to: number): Generator<Buffer> {
  for (let index = from; index < to; index++) yield bundles.hash(log, index)
}

/** Logs, all or those with these numbers or names, each with its newest checkpoints. */
export function listLogs(database: Sqlite.Database, only?: readonly (number | string)[]): LogState[] {
  return database
    .prepare<[{ only: string | null }], LogState>(
      `select id, name, generation, entries, size, root,
         (select note from note where note.log = log.id order by size desc limit 1) as note,
         (select note from note where note.log = log.id and cosigned = 1 order by size desc limit 1) as cosigned
       from log where @only is null or id in (select value from json_each(@only)) or name in (select value from json_each(@only)) order by name, generation`,
    )
    .all({ only: only ? JSON.stringify(only) : null })
    .map(log => ({ ...log, root: log.size === 0 ? EMPTY_ROOT : log.root }))
}

/** Keeps signed checkpoints. Of those that were never anchored, only the newest is of use. */
export function keepNotes(database: Sqlite.Database, notes: readonly KeptNote[]): void {
  const put = database.prepare(
    `insert into note (log, size, note, anchor, cosigned) values (?, ?, ?, ?, ?)
     on conflict (log, size) do update set
       note = case when note.cosigned > excluded.cosigned then note.note else excluded.note end, anchor = max(anchor, excluded.anchor),
       cosigned = max(cosigned, excluded.cosigned)`,
  )
  const drop = database.prepare('delete from note where log = ? and size < ? and anchor = 0')
  database.transaction(() => {
    for (const { log, size, note, isAnchor, isCosigned } of notes) {
      put.run(log, size, note, isAnchor ? 1 : 0, isCosigned ? 1 : 0)
      drop.run(log, size)
    }
  })()
}

export function listAnchors(database: Sqlite.Database, log: number): string[] {
  return database
    .prepare<[number], { note: string }>('select note from note where log = ? and anchor = 1 order by size')
    .all(log)
    .map(({ note }) => note)
}

export function readTile(database: Sqlite.Database, log: number, level: number, number: number): Buffer {
  const text = 'select hashes from tile where log = ? and level = ? and number = ?'
  const row = prepareOnce(database, text).get(log, level, number) as { hashes: Buffer } | undefined
  return row?.hashes ?? Buffer.alloc(0)
}

export function readEntries(view: View, log: number, from: number, to: number): LogEntry[] {
  const bundles = createBundleReader(view)
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => bundles.whole(log, from + i))
}

/** Begins another generation of a log: what comes from now on goes there, and the old one stays as it is. */
export function beginGeneration(database: Sqlite.Database, name: string): LogState {
  database
    .prepare(
      `insert into log (name, generation, entries, size, edge, root)
       select ?, coalesce(max(generation), 0) + 1, 0, 0, x'', x'' from log where name = ?`,
    )
    .run(name, name)
  const begun = listLogs(database).findLast(log => log.name === name)
  if (!begun) throw new Error('unreachable: it was inserted')
  return begun
}
