import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { openStore, type Store } from '../../packages/server/src/store/index.ts'
import { describeOnBoth, freshDatabase, freshDirectory, MASTER_KEY } from './databases.ts'

const OPENERS = 4
const FOLDER = join(import.meta.dirname, '../../packages/server/src/store/migrations')
/** One row a migration, in the order of their numbers. */
const ALL = readdirSync(FOLDER).map((_, index) => ({ number: index + 1 }))

async function openAll(url: string): Promise<{ stores: Store[]; refusals: unknown[] }> {
  const openers = Array.from({ length: OPENERS }, () => openStore({ url, masterKey: MASTER_KEY }))
  const results = await Promise.allSettled(openers)
  return {
    stores: results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])),
    refusals: results.flatMap(result => (result.status === 'rejected' ? [result.reason] : [])),
  }
}

async function migrationsOf(store: Store): Promise<unknown[]> {
  return (await sql`select number from migration order by number`.execute(store.db)).rows
}

describeOnBoth('a fresh database', (open, { newUrl, kind }) => {
  test('holds the catalogue and the type of organizations, at revision 0', async () => {
    const store = await open()
    const organizations = await store.db
      .selectFrom('organization')
      .select(['id', 'seq', 'revision'])
      .execute()
    expect(organizations).toEqual([{ id: 'catalogue', seq: 0, revision: 0 }])
    const types = await store.db.selectFrom('resourceType').select('id').execute()
    expect(types).toEqual([{ id: 'organization' }])
  })

  test('has a name of its own, which it keeps', async () => {
    const url = await newUrl()
    const store = await open(url)
    const other = await open()
    expect(other.instanceId).not.toBe(store.instanceId)
    if (kind === 'memory') return
    await store.close()
    expect((await open(url)).instanceId).toBe(store.instanceId)
  })

  test('that a newer program wrote is refused', async () => {
    const url = kind === 'memory' ? `sqlite:${freshDirectory()}/newer.db` : await newUrl()
    const store = await open(url)
    await sql`insert into migration (number, at) values (999, '')`.execute(store.db)
    await store.close()
    await expect(open(url)).rejects.toMatchObject({ code: 'store.newer' })
  })
})

test('PostgreSQL: of nodes that start at once, one migrates and all of them open', async () => {
  const { stores, refusals } = await openAll(await freshDatabase())
  expect(refusals).toEqual([])
  expect(new Set(stores.map(({ instanceId }) => instanceId)).size).toBe(1)
  for (const store of stores) expect(await migrationsOf(store)).toEqual(ALL)
  for (const store of stores) await store.close()
})

test('SQLite: of processes that open one file at once, one gets it and the others are told why not', async () => {
  const url = `sqlite:${freshDirectory()}/valetkey.db`
  const { stores, refusals } = await openAll(url)
  expect(stores).toHaveLength(1)
  expect(refusals).toHaveLength(OPENERS - 1)
  for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'store.locked' })
  const waiting = openStore({ url, masterKey: MASTER_KEY })
  await stores[0]?.close()
  const next = await waiting
  expect(await migrationsOf(next)).toEqual(ALL)
  await next.close()
})

test.each([
  'mysql://root@localhost/valetkey',
  'postgres://user:hunter2@:99999/x',
  'valetkey.db',
  'sqlite:/nowhere/valetkey.db',
])('"%s" is no database to open, and its password is not repeated', async url => {
  const refused = openStore({ url, masterKey: MASTER_KEY })
  await expect(refused).rejects.toMatchObject({ code: 'config.invalid' })
  await expect(refused).rejects.not.toThrow('hunter2')
})

test('a database that does not exist, or a user who may not enter, is a mistake of the configuration', async () => {
  const url = new URL(await freshDatabase())
  const absent = Object.assign(new URL(url), { pathname: '/absent' }).href
  const stranger = Object.assign(new URL(url), { username: 'stranger' }).href
  for (const wrong of [absent, stranger])
    await expect(openStore({ url: wrong, masterKey: MASTER_KEY })).rejects.toMatchObject({
      code: 'config.invalid',
    })
})
