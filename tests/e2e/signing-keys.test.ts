import { decodeProtectedHeader } from 'jose'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Identity } from './identity.ts'
import { createLibrary, LIBRARY_RULES } from './library.ts'
import { say } from './say.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

/** Keys change under guards that run. */

let world: World
let bot: Identity
let servers: GuardedServer[]

beforeAll(async () => {
  world = await startWorld()
  bot = await world.identify('support-bot')
  servers = []
  for (const name of ['library', 'archive'])
    servers.push(await world.serve({ name, handler: createLibrary().handler, rules: LIBRARY_RULES }))
})
afterAll(() => world?.[Symbol.asyncDispose]())

async function statusOf({ url }: GuardedServer, token: string): Promise<number> {
  const call = { name: 'search', arguments: { q: 'x' } }
  return (await say(url, 'tools/call', call, { token })).status
}

const kidOf = (token: string) => decodeProtectedHeader(token).kid

test('no call is refused while keys change: every guard knows the next key before it signs', async () => {
  // As if it had been published for an hour.
  const { db } = world.authority.store()
  await sql`update signing_key set created_at = '2020-01-01T00:00:00.000Z' where active_from is null`.execute(
    db,
  )
  const seen = new Set<string | undefined>()
  const statuses = new Set<number>()
  let isOver = false
  const calling = (async () => {
    while (!isOver)
      for (const server of servers) {
        const token = await bot.token(server.resource)
        seen.add(kidOf(token))
        statuses.add(await statusOf(server, token))
      }
  })()
  await expect.poll(() => seen.size).toBe(1)
  const { kid } = await world.api.signingKeys.rotate({})
  await expect.poll(() => seen.has(kid)).toBe(true)
  isOver = true
  await calling
  expect([...statuses]).toEqual([200])
})

test('a key that is taken away is refused by every guard, with all that it has signed, once they have confirmed', async () => {
  const [library, archive] = servers as [GuardedServer, GuardedServer]
  const tokens = [await bot.token(library.resource), await bot.token(archive.resource)]
  expect(await Promise.all(servers.map((server, i) => statusOf(server, tokens[i] ?? '')))).toEqual([200, 200])
  const kid = kidOf(tokens[0] ?? '') ?? ''
  const { barrier } = await world.api.signingKeys.retire({ kid, reason: 'leaked', waitMs: 10_000 })
  expect(barrier).toMatchObject({ complete: true })
  expect(barrier?.points.length).toBeGreaterThanOrEqual(2)
  expect(await Promise.all(servers.map((server, i) => statusOf(server, tokens[i] ?? '')))).toEqual([401, 401])
  const fresh = await bot.token(library.resource)
  expect(kidOf(fresh)).not.toBe(kid)
  expect(await statusOf(library, fresh)).toBe(200)
})
