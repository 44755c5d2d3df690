import { connect, createServer, type Server, type Socket } from 'node:net'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { openStore, type Store } from '../../packages/server/src/store/index.ts'
import {
  asAdministrator,
  freshDatabase,
  freshDirectory,
  MASTER_KEY,
  type PostgresServer,
  startPostgres,
} from './databases.ts'
import { createOrganization, readRevisions, revokeToken } from './facts.ts'

const opened: Store[] = []
async function open(url: string): Promise<Store> {
  const store = await openStore({ url, masterKey: MASTER_KEY })
  opened.push(store)
  return store
}
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())

/** Stands between a store and its server, and cuts the line the moment a commit has been passed on. */
async function openWire(url: string): Promise<{ url: string; cutAtCommit: boolean; close(): void }> {
  const { port, hostname } = new URL(url)
  const sockets = new Set<Socket>()
  const wire: Server = createServer(client => {
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.on('data', bytes => {
      upstream.write(bytes)
      if (state.cutAtCommit && bytes.includes('commit')) client.destroy()
    })
    upstream.on('data', bytes => client.writable && client.write(bytes))
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.end())
  })
  await new Promise<void>(resolve => wire.listen(0, '127.0.0.1', resolve))
  const address = wire.address()
  if (address === null || typeof address === 'string') throw new Error('unreachable')
  const state = {
    url: Object.assign(new URL(url), { port: `${address.port}` }).href,
    cutAtCommit: false,
    close() {
      wire.close()
      for (const socket of sockets) socket.destroy()
    },
  }
  return state
}

test('a commit whose answer is lost is said to be unknown, and not made twice', async () => {
  const wire = await openWire(await freshDatabase(server.url))
  const store = await open(wire.url)
  const organization = await createOrganization(store, 'northwind', 1)
  const heard: unknown[] = []
  store.onChange(organizations => heard.push(organizations))
  wire.cutAtCommit = true
  const failure = await revokeToken(store, organization, 't').catch(error => error)
  expect(failure).toMatchObject({ code: 'store.unavailable', status: 503 })
  expect(failure.message).toContain('unknown')
  wire.cutAtCommit = false
  await vi.waitFor(
    async () => expect(await readRevisions(store, organization)).toMatchObject({ head: 1, tokens: ['t'] }),
    { timeout: 10_000 },
  )
  expect(await revokeToken(store, organization, 'next')).toBe(2)
  wire.close()
})

test('without its server the store says so quickly, and works again once the server is back', async () => {
  const store = await open(await freshDatabase(server.url))
  const organization = await createOrganization(store, 'northwind', 1)
  await server.stop('orderly')
  const startedAt = performance.now()
  for (const call of [
    () => revokeToken(store, organization, 't'),
    () => readRevisions(store, organization),
    () => store.clock(store.db),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'store.unavailable' })
  expect(performance.now() - startedAt).toBeLessThan(5000)
  await server.start()
  expect(await revokeToken(store, organization, 'after')).toBe(1)
})

test('no acknowledged write is lost and none half made when the server crashes in the middle of many', async () => {
  const store = await open(await freshDatabase(server.url))
  const organization = await createOrganization(store, 'northwind', 1)
  const acknowledged: string[] = []
  const unacknowledged: unknown[] = []
  let isOver = false
  async function writer(name: number): Promise<void> {
    for (let n = 0; !isOver; n++) {
      const token = `${name}-${n}`
      await revokeToken(store, organization, token).then(
        () => acknowledged.push(token),
        async error => {
          unacknowledged.push(error)
          await new Promise(resolve => setTimeout(resolve, 20))
        },
      )
    }
  }
  const writers = Promise.all(Array.from({ length: 16 }, (_, name) => writer(name)))
  for (let crash = 0; crash < 3; crash++) {
    const before = acknowledged.length
    await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(before + 20), { timeout: 20_000 })
    await server.stop('crash')
    await server.start()
  }
  const before = acknowledged.length
  await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(before + 20), { timeout: 20_000 })
  isOver = true
  await writers
  for (const error of unacknowledged) expect(error).toMatchObject({ code: 'store.unavailable' })
  const { head, log, tokens } = await readRevisions(store, organization)
  expect(tokens).toEqual(expect.arrayContaining(acknowledged))
  expect(log.map(({ factId }) => factId).sort()).toEqual(tokens.sort())
  expect(log.map(({ revision }) => revision)).toEqual(Array.from({ length: head }, (_, i) => i + 1))
})

test('a change that waits too long for another one gives up, and the other one happens', async () => {
  const url = await freshDatabase(server.url)
  const store = await open(url)
  const organization = await createOrganization(store, 'northwind', 1)
  const released = Promise.withResolvers<void>()
  const locked = Promise.withResolvers<void>()
  const holder = store.write(async tx => {
    await tx.selectFrom('organization').selectAll().forUpdate().execute()
    locked.resolve()
    await released.promise
  })
  await locked.promise
  await expect(revokeToken(store, organization, 't')).rejects.toMatchObject({ code: 'store.unavailable' })
  released.resolve()
  await holder
  expect(await revokeToken(store, organization, 't')).toBe(1)
})

test('a server that does not keep what it commits is refused', async () => {
  const url = await freshDatabase(server.url)
  await asAdministrator(url, `alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`)
  await expect(open(url)).rejects.toMatchObject({ code: 'store.durability' })
  const careless = await startPostgres({ fsync: 'off' })
  await expect(open(careless.url)).rejects.toMatchObject({ code: 'store.durability' })
  await careless.close()
})

test('a full disk refuses the write, leaves nothing of it, and goes on once there is room', async () => {
  const store = await open(`sqlite:${freshDirectory()}/valetkey.db`)
  const organization = await createOrganization(store, 'northwind', 1)
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(store.db)
  await sql.raw(`pragma max_page_count = ${Object.values(rows[0] ?? {})[0]}`).execute(store.db)
  const large = 'x'.repeat(200_000)
  await expect(revokeToken(store, organization, large)).rejects.toMatchObject({ code: 'store.unavailable' })
  expect(await readRevisions(store, organization)).toMatchObject({ head: 0, tokens: [] })
  await sql.raw('pragma max_page_count = 100000').execute(store.db)
  expect(await revokeToken(store, organization, large)).toBe(1)
})
