import type { Store } from '../store/index.ts'

/** Says the name of a server, which never changes, and asks the database once for each. An unknown one keeps its id. */
export function createServerNames(store: Store): (id: string) => Promise<string> {
  const names = new Map<string, string>()
  return async id => {
    const known = names.get(id)
    if (known !== undefined) return known
    const row = await store.db.selectFrom('server').select('name').where('id', '=', id).executeTakeFirst()
    if (row) names.set(id, row.name)
    return row?.name ?? id
  }
}
