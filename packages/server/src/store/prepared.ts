import { createHash } from 'node:crypto'
import type { Compilable, CompiledQuery, DialectAdapter } from 'kysely'
import type { Db } from './store.ts'

type Values = Record<string, string | number | null>

/** What PostgreSQL calls a prepared query; there are as many as `prepareQuery` is called in the program. */
const names = new Map<string, string>()

/** The name under which a connection keeps the plan of this statement, if it is one of the prepared queries. */
export function preparedName(sql: string): string | undefined {
  return names.get(sql)
}

/**
 * A query that is built once and then only run, for the few that every token or every lease needs: to build one again,
 * and to plan it again on PostgreSQL, costs several times what running it does. `build` gets stand-ins for the values,
 * so it must not look at them; it names its columns, since a kept plan does not survive a table that grows by one.
 * @example
 * const findClient = prepareQuery((db, { id }: { id: string }) =>
 *   db.selectFrom('client').select(['agentId', 'kind']).where('id', '=', id))
 * const [client] = await findClient(store.db, { id: 'cli_…' })
 */
export function prepareQuery<V extends Values, Row>(
  build: (db: Db, values: V) => Compilable<Row>,
): (db: Db, values: V) => Promise<Row[]> {
  const byDialect = new WeakMap<DialectAdapter, CompiledQuery<Row>>()
  return async (db, values) => {
    const { adapter } = db.getExecutor()
    let compiled = byDialect.get(adapter)
    if (compiled === undefined) {
      compiled = build(db, standIns<V>()).compile()
      byDialect.set(adapter, compiled)
      names.set(
        compiled.sql,
        `valetkey_${createHash('sha256').update(compiled.sql).digest('hex').slice(0, 32)}`,
      )
    }
    const parameters = compiled.parameters.map(value =>
      value instanceof StandIn ? values[value.name] : value,
    )
    const { rows } = await db.executeQuery<Row>({ ...compiled, parameters })
    return rows
  }
}

/** Holds the place of a value in a query that is built before there is one. */
class StandIn {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

function standIns<V extends Values>(): V {
  return new Proxy({} as V, { get: (_target, name) => new StandIn(String(name)) })
}
