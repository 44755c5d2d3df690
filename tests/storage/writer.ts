import { writeSync } from 'node:fs'
import { newId } from '@valetkey/sdk/core'
import { openStore } from '../../packages/server/src/store/index.ts'
import { createOrganization, revokeToken } from './facts.ts'

// Writes from eight sides at once until it is killed, and says on its output which revisions were acknowledged.
const store = await openStore({ url: process.argv[2] ?? '', masterKey: new Uint8Array(32).fill(7) })
const exists = await store.db
  .selectFrom('organization')
  .where('id', '=', 'org_northwind')
  .select('id')
  .execute()
if (exists.length === 0) await createOrganization(store, 'northwind', 1)

async function writeForEver(): Promise<never> {
  for (;;) writeSync(1, `${await revokeToken(store, 'org_northwind', newId('request'))}\n`)
}
await Promise.all(Array.from({ length: 8 }, writeForEver))
