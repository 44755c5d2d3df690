import { closeSync, openSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import type { Gap } from './counters.ts'
import type { Batch, Entry } from './entry.ts'
import { type ChangeValues, type Ingested, ingestBatch, type LedgerTx } from './ingest.ts'
import { auditMigrations, CALL_COLUMNS, CHANGE_COLUMNS, OUTCOME_COLUMNS, RESOURCE_COLUMNS } from './tables.ts'

/** The evidence in one SQLite file; every method blocks its thread while the disk works. */
export interface SqliteFile {
  ingest(batch: Batch): Promise<Ingested>
  append(rows: readonly ChangeValues[]): Promise<void>
  query(text: string, parameters: readonly unknown[]): Promise<unknown[]>
  close(): Promise<void>
}

/** Opens the file; of all that have it open, only one may write. */
export function openSqliteFile(path: string, access: 'write' | 'read'): SqliteFile {
  // Only its owner may read it; SQLite gives its journals the same mode.
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  const database = new Sqlite(path)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.pragma('busy_timeout = 5000')
  // Every index dirties pages of its own: fewer checkpoints write a page once for many records.
  database.pragma('wal_autocheckpoint = 4000')
  database.pragma('cache_size = -16000')
  if (database.pragma('synchronous', { simple: true }) !== 2)
    throw new Error('SQLite did not take synchronous=FULL: records would not survive a power cut.')
  if (access === 'read') database.pragma('query_only = ON')
  else migrate(database)

  const tx = access === 'read' ? undefined : statementsOf(database)
  // One at a time: a query on this connection must not see a transaction that is not committed.
  let last: Promise<unknown> = Promise.resolve()
  function inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const next = last.then(work)
    last = next.catch(() => undefined)
    return next
  }
  function write<T>(work: (tx: LedgerTx) => T | Promise<T>): Promise<T> {
    return inTurn(async () => {
      if (!tx) throw new Error('This connection only reads.')
      database.exec('begin immediate')
      try {
        const value = await work(tx)
        database.exec('commit')
        return value
      } catch (error) {
        // A full disk may have rolled back already.
        if (database.inTransaction) database.exec('rollback')
        throw error
      }
    })
  }
  return {
    ingest: batch => write(tx => ingestBatch(tx, batch)),
    append: rows => write(tx => tx.insertChanges(rows)),
    query: (text, parameters) => inTurn(() => database.prepare(text).all(...parameters)),
    close: () => inTurn(() => void database.close()),
  }
}

function migrate(database: Sqlite.Database): void {
  const versions = auditMigrations('sqlite')
  const done = database.pragma('user_version', { simple: true }) as number
  if (done > versions.length)
    throw new Error(
      `The audit file is at version ${done}, this program knows ${versions.length}. Start the newer program.`,
    )
  database.transaction(() => {
    for (const statements of versions.slice(done))
      for (const statement of statements) database.exec(statement)
    database.pragma(`user_version = ${versions.length}`)
  })()
}

/** The statements of ingest, prepared once. */
function statementsOf(database: Sqlite.Database): LedgerTx {
  const insert = (table: string, columns: object) => {
    const names = Object.keys(columns)
    return database.prepare<unknown[]>(
      `insert into ${table} (${names.join(', ')}) values (${names.map(() => '?').join(', ')}) on conflict do nothing`,
    )
  }
  const inserts = {
    audit_call: insert('audit_call', CALL_COLUMNS),
    audit_outcome: insert('audit_outcome', OUTCOME_COLUMNS),
  }
  const insertResource = insert('audit_resource', RESOURCE_COLUMNS)
  const insertChange = insert('audit_change', CHANGE_COLUMNS)
  const callBody = database.prepare<[string], { body: string }>('select body from audit_call where id = ?')
  const outcomeBody = database.prepare<[string, string], { body: string }>(
    'select body from audit_outcome where id = ? and point = ?',
  )
  return {
    ...counterStatements(database),
    insert(table, entries) {
      const statement = inserts[table]
      return new Set(
        entries.filter(entry => statement.run(...entry.values).changes === 1).map(({ id }) => id),
      )
    },
    bodies(table: Entry['table'], point, ids) {
      const find = (id: string) => (table === 'audit_call' ? callBody.get(id) : outcomeBody.get(id, point))
      return new Map(ids.flatMap(id => (find(id) === undefined ? [] : [[id, find(id)?.body ?? '']])))
    },
    insertResources(rows) {
      for (const row of rows) insertResource.run(...row)
    },
    insertChanges(rows) {
      for (const row of rows) insertChange.run(...row)
    },
  }
}

function counterStatements(
  database: Sqlite.Database,
): Pick<LedgerTx, 'received' | 'saveReceived' | 'standing'> {
  const highest = database.prepare<[string, number], { highest: number }>(
    'select highest from audit_point where point = ? and epoch = ?',
  )
  const gaps = database.prepare<[string, number, number, number], Gap>(
    'select first, last from audit_gap where point = ? and epoch = ? and last >= ? and first <= ? order by first',
  )
  const raise = database.prepare(
    `insert into audit_point (point, epoch, highest) values (?, ?, ?)
     on conflict (point, epoch) do update set highest = excluded.highest`,
  )
  const close = database.prepare('delete from audit_gap where point = ? and epoch = ? and first = ?')
  const open = database.prepare('insert into audit_gap (point, epoch, first, last) values (?, ?, ?, ?)')
  const standing = database.prepare<unknown[], { counter: number | null; missing: number }>(
    `select
       coalesce((select min(first) - 1 from audit_gap where point = ? and epoch = ?),
                (select highest from audit_point where point = ? and epoch = ?)) as counter,
       coalesce((select sum(last - first + 1) from audit_gap where point = ?), 0) as missing`,
  )
  return {
    received: (point, epoch, range) => ({
      highest: highest.get(point, epoch)?.highest ?? 0,
      gaps: gaps.all(point, epoch, range.first, range.last),
    }),
    saveReceived(point, epoch, top, closed, opened) {
      raise.run(point, epoch, top)
      for (const gap of closed) close.run(point, epoch, gap.first)
      for (const gap of opened) open.run(point, epoch, gap.first, gap.last)
    },
    standing(point, epoch) {
      const row = standing.get(point, epoch, point, epoch, point)
      return { counter: row?.counter ?? 0, missing: row?.missing ?? 0 }
    },
  }
}
