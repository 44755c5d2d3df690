import type Sqlite from 'better-sqlite3'
import { createBundleReader, type View } from './bundles.ts'
import { growFrom, type LogRow, MOST_AT_ONCE } from './logs.ts'

/**
 * Evidence from before tiles held leaves gets them, from its records: without them its proofs would be wrong. Whether they
 * are there is seen by the first tile of a log and its last, since every other was written between the two.
 */
export function completeTiles(view: View): void {
  const { database } = view
  database.transaction(() => {
    for (const log of incompleteLogs(database)) rebuildTiles(view, log)
  })()
}

function incompleteLogs(database: Sqlite.Database): LogRow[] {
  const bytesOf = (number: string) =>
    `coalesce((select length(hashes) from tile where tile.log = log.id and level = 0 and number = ${number}), 0)`
  return database
    .prepare<[], LogRow>(
      `select id, name, generation, entries, size, edge, root from log
       where size > 0 and (${bytesOf('0')} <> 32 * min(size, 256) or ${bytesOf('(size - 1) / 256')} <> 32 * ((size - 1) % 256 + 1))`,
    )
    .all()
}

function rebuildTiles(view: View, log: LogRow): void {
  const { database } = view
  const bundles = createBundleReader(view)
  database.prepare('delete from tile where log = ?').run(log.id)
  let grown: LogRow = { ...log, size: 0, edge: Buffer.alloc(0) }
  while (grown.size < log.size) {
    const to = Math.min(log.size, grown.size + MOST_AT_ONCE)
    grown = growFrom(database, bundles, grown, to)
  }
  if (!grown.root.equals(log.root))
    throw new Error(
      `The records of log ${log.name} are not those that its tree of ${log.size} was made of: they were changed. Restore a copy in which they were not.`,
    )
}
