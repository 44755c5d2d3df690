import { randomBytes } from 'node:crypto'
import type { Store } from '../../store/index.ts'

/** A secret of 256 bits that all nodes of a database share under a name; made when it is first asked for, kept sealed. */
export async function openKeptSecret(store: Store, name: string): Promise<string> {
  const key = `secret:${name}`
  const fresh = randomBytes(32).toString('base64url')
  const sealed = await store.write(async tx => {
    await tx
      .insertInto('setting')
      .values({ key, value: store.secrets.seal(fresh, key) })
      .onConflict(conflict => conflict.doNothing())
      .execute()
    return tx.selectFrom('setting').select('value').where('key', '=', key).executeTakeFirstOrThrow()
  })
  return store.secrets.open(sealed.value, key)
}
