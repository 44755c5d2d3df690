import type { Db } from '../../store/index.ts'

const IDS_A_TIME = 500

/** What people call the principals, servers and API tokens with these ids; what is no longer known keeps its id. */
export async function namesOf(db: Db, ids: Iterable<string>): Promise<(id: string) => string> {
  const wanted = [...new Set(ids)]
  const names = new Map<string, string>()
  for (let from = 0; from < wanted.length; from += IDS_A_TIME) {
    const some = wanted.slice(from, from + IDS_A_TIME)
    const principals = db.selectFrom('principal').select(['id', 'externalId']).where('id', 'in', some)
    const servers = db.selectFrom('server').select(['id', 'name']).where('id', 'in', some)
    const tokens = db.selectFrom('apiToken').select(['id', 'name']).where('id', 'in', some)
    for (const { id, externalId } of await principals.execute()) names.set(id, externalId)
    for (const { id, name } of await servers.execute()) names.set(id, name)
    // Anyone may name a token like a person, so it says that it is one.
    for (const { id, name } of await tokens.execute()) names.set(id, `token:${name}`)
  }
  return id => names.get(id) ?? id
}
