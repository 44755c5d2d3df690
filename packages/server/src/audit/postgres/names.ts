import { sql } from 'kysely'
import type { Db, Store, Tx } from '../../store/index.ts'

/** Numbers for texts that many records share. They are given in transactions of their own, and stay given. */
export interface Names {
  /** The numbers of these texts, given now to those that have none. */
  put(texts: Iterable<string>): Promise<ReadonlyMap<string, number>>
  find(texts: readonly string[]): Promise<Map<string, number>>
  textsOf(ids: readonly number[]): Promise<Map<number, string>>
}

const MOST_REMEMBERED = 200_000

export function createNames(store: Store): Names {
  const remembered = new Map<string, number>()

  function remember(found: ReadonlyMap<string, number>): void {
    if (remembered.size + found.size > MOST_REMEMBERED) remembered.clear()
    for (const [text, id] of found) remembered.set(text, id)
  }

  return {
    async put(texts) {
      const wanted = new Set(texts)
      const missing = [...wanted].filter(text => !remembered.has(text))
      if (missing.length > 0) {
        let found = await findNames(store.db, missing)
        const fresh = missing.filter(text => !found.has(text))
        if (fresh.length > 0) {
          await store.write(tx => insertNames(tx, fresh))
          found = new Map([...found, ...(await findNames(store.db, fresh))])
        }
        remember(found)
        return new Map([...wanted].map(text => [text, found.get(text) ?? remembered.get(text) ?? -1]))
      }
      return new Map([...wanted].map(text => [text, remembered.get(text) ?? -1]))
    },
    find: texts => findNames(store.db, texts),
    async textsOf(ids) {
      if (ids.length === 0) return new Map()
      const { rows } = await sql<{ id: number; text: string }>`
        select id, text from audit_name where id = any(${[...new Set(ids)]}::integer[])`.execute(store.db)
      return new Map(rows.map(({ id, text }) => [id, text]))
    },
  }
}

/** Gives numbers in the transaction that needs them. */
export async function putNames(tx: Tx, texts: readonly string[]): Promise<Map<string, number>> {
  await insertNames(tx, texts)
  return findNames(tx, texts)
}

/** In one order everywhere, so that two nodes that give the same names do not wait for each other in a circle. */
async function insertNames(tx: Tx, texts: readonly string[]): Promise<void> {
  const sorted = [...new Set(texts)].sort()
  await sql`insert into audit_name (text) select unnest(${sorted}::text[]) on conflict do nothing`.execute(tx)
}

async function findNames(db: Db, texts: readonly string[]): Promise<Map<string, number>> {
  if (texts.length === 0) return new Map()
  const { rows } = await sql<{ id: number; text: string }>`
    select id, text from audit_name where md5(text) in (select md5(unnest(${texts}::text[])))`.execute(db)
  return new Map(rows.map(({ id, text }) => [text, id]))
}
