import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import type { Db, Tx } from './store.ts'

/** The statements of a transaction that were handed to its connection and whose answers nobody waits for. */
interface InFlight {
  connection: DatabaseConnection
  sent: Promise<unknown>[]
}

const running = new WeakMap<Db, InFlight>()

/**
 * From now on the prepared statements of a transaction go to its connection at once, also while others are on their
 * way: PostgreSQL works them off in their order, and several take one round trip. To be ended before the transaction is,
 * so that nothing that comes late is run outside of it.
 */
export async function openFlight(tx: Tx): Promise<{ sent: readonly Promise<unknown>[]; end(): void }> {
  const connection = await tx.getExecutor().provideConnection(async connection => connection)
  const sent: Promise<unknown>[] = []
  running.set(tx, { connection, sent })
  return { sent, end: () => void running.delete(tx) }
}

/**
 * Lets a statement travel with those that come after it, at the latest with the commit. The write fails if it does, so
 * there is nothing to wait for. All of it has to be on its way when this is called.
 */
export async function send(tx: Tx, statement: Promise<unknown>): Promise<void> {
  const flight = running.get(tx)
  if (!flight) return void (await statement)
  flight.sent.push(statement)
  statement.catch(() => {})
}

/** Runs what is compiled already. */
export async function execute<Row>(db: Db, compiled: CompiledQuery<Row>): Promise<QueryResult<Row>> {
  const connection = running.get(db)?.connection
  if (!connection) return db.executeQuery<Row>(compiled)
  let result: QueryResult<unknown> = await connection.executeQuery<Row>(compiled)
  for (const plugin of db.getExecutor().plugins)
    result = await plugin.transformResult({ result: result as never, queryId: compiled.queryId })
  return result as QueryResult<Row>
}
