import { createHash } from 'node:crypto'
import type { Compilable, CompiledQuery, DialectAdapter, Insertable } from 'kysely'
import { execute } from './in-flight.ts'
import type { Database } from './schema.ts'
import type { Db } from './store.ts'

type Value = string | number | null
type Values = Record<string, Value>

/** What PostgreSQL calls a prepared query; there are as many as are built in the program. */
const names = new Map<string, string>()

/** The name under which a connection keeps the plan of this statement, if it is one of the prepared queries. */
export function preparedName(sql: string): string | undefined {
  return names.get(sql)
}

/**
 * A query that is built once and then only run, for those that every token, lease or change needs: to build one again,
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
  const compiledFor = buildOnce(db => build(db, standIns<V>()))
  return (db, values) => run(db, compiledFor(db), name => values[name])
}

/** How many there are of a list in one statement. Few sizes, so that few texts are ever prepared. */
const SIZES = [500, 100, 20, 5, 1]

/** The same for a list of any length, whose order and repetitions mean nothing to the query. */
export function prepareListQuery<V extends Values, Item extends Value, Row>(
  build: (db: Db, values: V, list: Item[]) => Compilable<Row>,
): (db: Db, values: V, list: readonly Item[]) => Promise<Row[]> {
  const compiledFor = bySize(size =>
    buildOnce(db =>
      build(
        db,
        standIns<V>(),
        placesOf(size).map(at => standIn(at) as Item),
      ),
    ),
  )
  return async (db, values, list) => {
    const found: Row[] = []
    for (let from = 0; from < list.length; ) {
      const rest = list.length - from
      const size = SIZES.findLast(one => one >= rest) ?? (SIZES[0] as number)
      // What is left over of the last statement asks for its last one again.
      const itemAt = (at: number) => list[Math.min(from + at, list.length - 1)]
      found.push(
        ...(await run(db, compiledFor(size)(db), name =>
          name in values ? values[name] : itemAt(Number(name)),
        )),
      )
      from += size
    }
    return found
  }
}

/** Inserts rows into a table, all with these columns; all statements that it takes are on their way when it returns. */
export function prepareInsert<T extends keyof Database, C extends keyof Database[T] & string>(
  table: T,
  columns: readonly C[],
): (
  db: Db,
  rows: readonly Pick<Insertable<Database[T]>, C & keyof Insertable<Database[T]>>[],
) => Promise<void> {
  const rowOf = (row: number) =>
    Object.fromEntries(columns.map((column, at) => [column, standIn(row * columns.length + at)]))
  const compiledFor = bySize(size =>
    buildOnce(db => db.insertInto(table).values(placesOf(size).map(rowOf) as never)),
  )
  return async (db, rows) => {
    const statements: Promise<unknown>[] = []
    for (let from = 0; from < rows.length; ) {
      const start = from
      const size = SIZES.find(one => one <= rows.length - from) ?? 1
      const valueAt = (at: number) => {
        const row = rows[start + Math.floor(at / columns.length)] as Values | undefined
        return row?.[columns[at % columns.length] ?? '']
      }
      statements.push(run(db, compiledFor(size)(db), name => valueAt(Number(name))))
      from += size
    }
    await Promise.all(statements)
  }
}

function bySize<T>(make: (size: number) => T): (size: number) => T {
  const made = new Map<number, T>()
  return size => {
    const known = made.get(size) ?? make(size)
    made.set(size, known)
    return known
  }
}

function placesOf(size: number): number[] {
  return Array.from({ length: size }, (_, at) => at)
}

/** Builds a query when it is run for the first time on a kind of database. */
function buildOnce<Row>(build: (db: Db) => Compilable<Row>): (db: Db) => CompiledQuery<Row> {
  const byDialect = new WeakMap<DialectAdapter, CompiledQuery<Row>>()
  return db => {
    const { adapter } = db.getExecutor()
    const known = byDialect.get(adapter)
    if (known) return known
    const compiled = build(db).compile()
    byDialect.set(adapter, compiled)
    names.set(
      compiled.sql,
      `valetkey_${createHash('sha256').update(compiled.sql).digest('hex').slice(0, 32)}`,
    )
    return compiled
  }
}

async function run<Row>(
  db: Db,
  compiled: CompiledQuery<Row>,
  valueFor: (name: string) => unknown,
): Promise<Row[]> {
  const parameters = compiled.parameters.map(value =>
    value instanceof StandIn ? valueFor(value.name) : value,
  )
  const { rows } = await execute<Row>(db, { ...compiled, parameters })
  return rows
}

/** Holds the place of a value in a query that is built before there is one. */
class StandIn {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

function standIn(name: string | number): unknown {
  return new StandIn(String(name))
}

function standIns<V extends Values>(): V {
  return new Proxy({} as V, { get: (_target, name) => standIn(String(name)) })
}
