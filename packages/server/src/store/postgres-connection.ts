import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import { Client, type ClientConfig, Pool, type PoolClient, types } from 'pg'
import { isUnavailable, translatePostgres } from './faults.ts'
import { preparedName } from './prepared.ts'

const INT8 = 20
const NUMERIC = 1700

/** `bigint` columns, `count` and `sum` arrive as numbers, as they do from SQLite. */
const numbersForWholes: NonNullable<ClientConfig['types']> = {
  getTypeParser: (oid, format) =>
    format !== 'binary' && (oid === INT8 || oid === NUMERIC) ? parseSafely : types.getTypeParser(oid, format),
}

function parseSafely(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(Math.trunc(number))) throw new RangeError(`${text} does not fit into a number.`)
  return number
}

/** Where the server is, and the patience that holds for every connection to it. */
function settings(url: string): ClientConfig {
  return {
    connectionString: url,
    application_name: 'valetkey',
    types: numbersForWholes,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  }
}

/**
 * The server ends what takes too long, so that one stuck change does not hold up all others; `query_timeout` is for a
 * server (or a network) that does not even say so.
 */
const LIMITS: ClientConfig = {
  statement_timeout: 15_000,
  lock_timeout: 5_000,
  idle_in_transaction_session_timeout: 30_000,
  query_timeout: 20_000,
}

/** One connection that may stand idle for ever, for notifications. */
export function createListeningClient(url: string): Client {
  const client = new Client({ ...settings(url), query_timeout: 5_000 })
  client.on('error', connectionLost)
  return client
}

/** Connections for queries, whose errors are ours and which are thrown away once one of them has failed. */
export function createPool(url: string, connections: number): PostgresPool {
  const patience = { ...LIMITS, idleTimeoutMillis: 60_000 }
  return adapt(new Pool({ ...settings(url), ...patience, max: connections, pipeline: true }))
}

/** One connection for a migration, whose statements (and wait for another node's migration) may take their time. */
export function createPatientPool(url: string): PostgresPool {
  return adapt(new Pool({ ...settings(url), max: 1 }))
}

function adapt(pool: Pool): PostgresPool {
  pool.on('error', connectionLost)
  pool.on('connect', client => client.on('error', connectionLost))
  return {
    options: pool.options,
    end: () => pool.end(),
    connect: async () => adaptClient(await guarded(() => pool.connect())),
  }
}

function adaptClient(client: PoolClient): PostgresPoolClient {
  let lost: unknown
  async function run<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    // A query that timed out here may still run there: what comes after it on this connection would wait behind it.
    if (lost) throw lost
    try {
      const { command, rowCount, rows } = await guarded(() =>
        client.query({ name: preparedName(sql), text: sql, values: [...parameters] }),
      )
      return { command: command as PostgresQueryResult<R>['command'], rowCount: rowCount ?? 0, rows }
    } catch (error) {
      if (isUnavailable(error)) lost = error
      throw error
    }
  }
  function query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  function query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>
  function query<R>(
    sql: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    if (typeof sql !== 'string') throw new Error('Results are not streamed: pages are small.')
    return run<R>(sql, parameters)
  }
  return { query, release: destroy => client.release(destroy || lost !== undefined) }
}

/** Emitted beside the error that the query gets, or for an idle connection, which the pool replaces by itself. */
function connectionLost(): void {}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw translatePostgres(error)
  }
}
