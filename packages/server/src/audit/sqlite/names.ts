import type Sqlite from 'better-sqlite3'
import { column } from '../entry.ts'

/** Numbers for texts that many records share, so that a record and its indexes hold a number of two or three bytes. */
export interface Names {
  /** The number of a text as a column holds it, given now if it has none. */
  put(text: string): number
  /** The numbers given since the last commit hold, or are forgotten. */
  commit(): void
  rollback(): void
}

const MOST_REMEMBERED = 200_000

export function createNames(database: Sqlite.Database): Names {
  const find = database.prepare<[string], { id: number }>('select id from name where text = ?')
  const insert = database.prepare<[string]>('insert into name (text) values (?)')
  const remembered = new Map<string, number>()
  let fresh: string[] = []

  function remember(text: string, id: number): number {
    // The oldest go first: what is in use comes back at the cost of one look.
    if (remembered.size >= MOST_REMEMBERED)
      for (const old of remembered.keys()) {
        if (remembered.size < MOST_REMEMBERED * 0.9) break
        remembered.delete(old)
      }
    remembered.set(text, id)
    return id
  }

  return {
    put(said) {
      const known = remembered.get(said)
      if (known !== undefined) return known
      const text = column(said)
      const cut = text === said ? undefined : remembered.get(text)
      if (cut !== undefined) return cut
      const row = find.get(text)
      if (row) return remember(text, row.id)
      fresh.push(text)
      return remember(text, Number(insert.run(text).lastInsertRowid))
    },
    commit() {
      fresh = []
    },
    rollback() {
      for (const text of fresh) remembered.delete(text)
      fresh = []
    },
  }
}
