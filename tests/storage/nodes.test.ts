import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { beginChange, openStore, type Store } from '../../packages/server/src/store/index.ts'
import { asAdministrator, freshDatabase, MASTER_KEY } from './databases.ts'
import { createOrganization, readRevisions, revokeToken, revokeTokenIn } from './facts.ts'

let url: string
let first: Store
let second: Store

beforeEach(async () => {
  url = await freshDatabase()
  first = await openStore({ url, masterKey: MASTER_KEY })
  second = await openStore({ url, masterKey: MASTER_KEY })
  await createOrganization(first, 'northwind', 1)
  await createOrganization(first, 'contoso', 2)
})

afterEach(async () => {
  await first.close()
  await second.close()
})

/** Notifications take milliseconds; the patience is for a machine that is busy with other tests. */
const soon = (check: () => void) => vi.waitFor(check, { timeout: 10_000 })

function listen(store: Store): (readonly string[] | undefined)[] {
  const heard: (readonly string[] | undefined)[] = []
  store.onChange(organizations => heard.push(organizations))
  return heard
}

test('a change on one node wakes the other, and its own listeners once and at once', async () => {
  const [here, there] = [listen(first), listen(second)]
  await revokeToken(first, 'org_northwind', 't')
  expect(here).toEqual([['org_northwind']])
  await soon(() => expect(there).toEqual([['org_northwind']]))
  await revokeToken(second, 'org_contoso', 'u')
  await soon(() => expect(here).toEqual([['org_northwind'], ['org_contoso']]))
  expect(there).toEqual([['org_northwind'], ['org_contoso']])
})

test('many changes at once reach other nodes as few notifications', async () => {
  const there = listen(second)
  const organizations = ['org_northwind', 'org_contoso']
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => revokeToken(first, organizations[i % 2] ?? '', `t${i}`)),
  )
  await soon(() => expect(new Set(there.flat())).toEqual(new Set(organizations)))
  expect(there.length).toBeLessThan(40)
})

test('more organizations than a notification can name become "look at all"', async () => {
  const there = listen(second)
  const names = Array.from({ length: 400 }, (_, index) => `org_${'x'.repeat(24)}${index}`)
  await first.write(async tx => {
    for (const [index, id] of names.entries()) {
      const organization = {
        id,
        seq: index + 10,
        slug: id,
        name: id,
        status: 'active',
        createdAt: '',
      } as const
      await tx.insertInto('organization').values(organization).execute()
      await beginChange(tx, id, { actor: 'tok_test', now: 0 })
    }
  })
  await soon(() => expect(there).toEqual([undefined]))
})

test('a node that closes tells first what it has not told yet', async () => {
  const there = listen(second)
  const leaving = await openStore({ url, masterKey: MASTER_KEY })
  await revokeToken(leaving, 'org_northwind', 't')
  await leaving.close()
  await soon(() => expect(there).toEqual([['org_northwind']]))
})

test('after its connection was cut, a node looks at all, and hears and tells again', async () => {
  const [here, there] = [listen(first), listen(second)]
  await asAdministrator(
    url,
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and query like '%valetkey_change%'`,
  )
  await soon(() => expect(here).toContain(undefined))
  await soon(() => expect(there).toContain(undefined))
  await revokeToken(first, 'org_northwind', 't')
  await soon(() => expect(there).toContainEqual(['org_northwind']))
})

test('a listener that fails does not make the write fail', async () => {
  const faults: unknown[] = []
  const note = (error: unknown) => faults.push(error)
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException').on('uncaughtException', note)
  try {
    first.onChange(() => {
      throw new Error('listener at fault')
    })
    const heard = listen(first)
    expect(await revokeToken(first, 'org_northwind', 't')).toBe(1)
    expect(heard).toEqual([['org_northwind']])
    await soon(() => expect(faults).toMatchObject([{ message: 'listener at fault' }]))
  } finally {
    process.off('uncaughtException', note)
    for (const other of others) process.on('uncaughtException', other)
  }
})

test('writers on two nodes make revisions without a gap', async () => {
  const writers = Array.from({ length: 32 }, (_, index) => index)
  await Promise.all(writers.map(i => revokeToken(i % 2 ? first : second, 'org_northwind', `t${i}`)))
  const { head, log, tokens } = await readRevisions(first, 'org_northwind')
  expect(head).toBe(32)
  expect(log.map(({ revision }) => revision)).toEqual(writers.map(i => i + 1))
  expect(tokens).toHaveLength(32)
})

test('a write that loses against another node by a serialization failure runs again and happens once', async () => {
  let runs = 0
  const slow = first.write(async tx => {
    runs++
    await sql`set transaction isolation level serializable`.execute(tx)
    await tx.selectFrom('organization').select('revision').where('id', '=', 'org_northwind').execute()
    if (runs === 1) await revokeToken(second, 'org_northwind', 'in between')
    return revokeTokenIn(tx, 'org_northwind', 'at last')
  })
  expect(await slow).toBe(2)
  expect(runs).toBe(2)
  expect((await readRevisions(first, 'org_northwind')).tokens.sort()).toEqual(['at last', 'in between'])
})

test('two writes that wait for each other both happen, once each', async () => {
  let runs = 0
  const both = Promise.withResolvers<void>()
  const write = (store: Store, one: string, other: string) =>
    store.write(async tx => {
      await revokeTokenIn(tx, one, `${one} then ${other}`)
      if (++runs === 2) both.resolve()
      await both.promise
      await revokeTokenIn(tx, other, `${one} before ${other}`)
    })
  await Promise.all([
    write(first, 'org_northwind', 'org_contoso'),
    write(second, 'org_contoso', 'org_northwind'),
  ])
  // Who loses, and how often, is for the database to say: at times both are told of the deadlock.
  expect(runs).toBeGreaterThan(2)
  for (const organization of ['org_northwind', 'org_contoso'])
    expect(await readRevisions(first, organization)).toMatchObject({ head: 2 })
})

test('leases can be compared between nodes, whatever their own clocks say', async () => {
  const late = await openStore({ url, masterKey: MASTER_KEY, now: () => 0 })
  const times = [await first.clock(first.db), await late.clock(late.db), await second.clock(second.db)]
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  await late.close()
})

test('a text that PostgreSQL cannot hold is the mistake of the request', async () => {
  const insert = first.write(tx => tx.insertInto('setting').values({ key: 'a\u0000', value: '' }).execute())
  await expect(insert).rejects.toMatchObject({ code: 'request.invalid' })
})
