import {
  CamelCasePlugin,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { available } from './available.ts'
import { COUNT_MISSING, type Ledger } from './ledger.ts'
import { openSqliteFile, type SqliteFile } from './sqlite-file.ts'
import type { AuditTables } from './tables.ts'
import { startThread } from './thread.ts'

/**
 * The evidence in a SQLite file of its own. Threads do the work, one that writes and one that reads (started by the
 * first question), so that neither a slow disk nor a long question holds up calls. `:memory:` stays in this thread.
 */
export async function openSqliteLedger(path: string): Promise<Ledger> {
  const inMemory = path === ':memory:'
  const writer = inMemory ? openSqliteFile(path, 'write') : startThread(path, 'write')
  // Its first answer says that the file is open and its tables are there.
  await available(writer.query('select 1', []))
  const reader = inMemory ? writer : startThread(path, 'read')
  const db = new Kysely<AuditTables>({ dialect: readingDialect(reader), plugins: [new CamelCasePlugin()] })
  return {
    db,
    ingest: batch => available(writer.ingest(batch)),
    append: rows => available(writer.append(rows)),
    async missing() {
      const [row] = (await available(writer.query(COUNT_MISSING, []))) as { missing: number }[]
      return row?.missing ?? 0
    },
    async close() {
      await db.destroy()
      if (reader !== writer) await reader.close()
      await writer.close()
    },
  }
}

/** Queries are built here and run where the connection is. */
function readingDialect(file: SqliteFile) {
  const connection: DatabaseConnection = {
    async executeQuery<R>({ sql, parameters }: { sql: string; parameters: readonly unknown[] }) {
      // Kysely's typed query says what the rows are.
      return { rows: (await available(file.query(sql, parameters))) as R[] } satisfies QueryResult<R>
    },
    // biome-ignore lint/correctness/useYield: nothing is streamed
    async *streamQuery() {
      throw new Error('unreachable: audit queries are not streamed')
    },
  }
  const noTransactions = () => Promise.reject(new Error('unreachable: audit queries only read'))
  const driver: Driver = {
    init: async () => undefined,
    acquireConnection: async () => connection,
    releaseConnection: async () => undefined,
    beginTransaction: noTransactions,
    commitTransaction: noTransactions,
    rollbackTransaction: noTransactions,
    destroy: async () => undefined,
  }
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => driver,
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}
