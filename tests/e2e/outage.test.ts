import { setTimeout as sleep } from 'node:timers/promises'
import { createGuard, type GuardOptions } from '@valetkey/sdk/guard'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { faultyFiles } from '../../packages/sdk/src/guard/spool/testing/faulty-file.ts'
import { createLibrary, LIBRARY_RULES } from './library.ts'
import type { Rules } from './northwind.ts'
import { say, send } from './say.ts'
import { startWorld, type World } from './world.ts'

const quiet = () => undefined
const SEARCH = { name: 'search', arguments: { q: 'x' } }
const SHELVE = { name: 'shelve', arguments: {} }

/** One for all: what a test takes away it gives back. */
let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

let stages = 0

/** A library of its own, and one call of a tool as a word: `ok`, or why not. */
async function stage(guard: GuardOptions = {}) {
  const library = createLibrary()
  const rules: Rules = { ...LIBRARY_RULES }
  const name = `library-${++stages}`
  const server = await world.serve({ name, handler: library.handler, rules, guard })
  const agent = await world.identify('billing-analyst')
  const token = await agent.token(server.url)
  const call = async (tool: object = SEARCH): Promise<string> => {
    const { status, body } = await say(server.url, 'tools/call', { ...tool }, { token })
    if (status !== 200) return String(status)
    const denied = body.result?._meta?.['valetkey/denied'] ?? body.error?.data
    return denied?.reason ?? (body.result?.isError ? 'error' : 'ok')
  }
  return { library, server, agent, token, call }
}

describe('the authority is gone', () => {
  test('calls go on within the lease, then none is decided, and its return mends it', async () => {
    const { library, server, token, call } = await stage()
    expect([await call(), await call(SHELVE)]).toEqual(['ok', 'ok'])
    const asked = { notifications: { toolsListChanged: true } }
    const response = await send(server.url, 'subscriptions/listen', asked, { token, era: 'modern' })
    const stream = response.body?.getReader()
    await stream?.read()
    let hasEnded = false
    const end = stream?.read().catch(() => ({ done: true }))
    void end?.then(() => {
      hasEnded = true
    })
    await world.authority.stop()
    const stopped = performance.now()
    expect(await call()).toBe('ok')
    // What is dangerous is decided for a second at most, everything else for five.
    await expect.poll(() => call(SHELVE), { timeout: 4_000 }).toBe('stale')
    expect(performance.now() - stopped).toBeLessThan(3_500)
    expect(await call()).toBe('ok')
    expect(hasEnded).toBe(false)
    await expect.poll(() => call(), { timeout: 10_000 }).toBe('stale')
    // Nobody here can know that who listens still may.
    expect(await end).toMatchObject({ done: true })
    expect(performance.now() - stopped).toBeLessThan(8_000)
    const ran = library.ran.length
    for (let i = 0; i < 5; i++) expect([await call(), await call(SHELVE)]).toEqual(['stale', 'stale'])
    expect(library.ran.length).toBe(ran)
    await world.authority.start()
    await expect.poll(() => call(SHELVE), { timeout: 10_000 }).toBe('ok')
    // What was refused meanwhile is on record too, once it could be shipped.
    const refused = async () => (await world.calls({ server: server.name, reason: 'stale' }, 0)).length
    await expect.poll(refused, { timeout: 20_000 }).toBeGreaterThanOrEqual(10)
  })

  test('its restart under load is not noticed', async () => {
    const { server, call } = await stage()
    const answers = new Map<string, number>()
    let isDone = false
    const caller = async () => {
      while (!isDone) {
        const answer = await call()
        answers.set(answer, (answers.get(answer) ?? 0) + 1)
        await sleep(5)
      }
    }
    const load = Array.from({ length: 8 }, caller)
    await sleep(500)
    await world.authority.stop()
    await world.authority.start()
    await sleep(2_500)
    isDone = true
    await Promise.all(load)
    expect([...answers.keys()]).toEqual(['ok'])
    expect(answers.get('ok')).toBeGreaterThan(50)
    // Every one of them is on record, once.
    const permitted = async () => {
      const seen = new Set<string>()
      for (let cursor: string | undefined; ; ) {
        const page = await world.api.audit.calls({
          server: server.name,
          limit: 200,
          ...(cursor && { cursor }),
        })
        // What was decided again, because the lease was renewed meanwhile, was not released.
        for (const { id, outcome } of page.items) if (outcome !== 'superseded') seen.add(id)
        cursor = page.next ?? undefined
        if (!cursor) return seen.size
      }
    }
    await expect.poll(permitted, { timeout: 15_000 }).toBe(answers.get('ok'))
  })

  test('a guard that starts meanwhile refuses, and decides once the authority is back', async () => {
    const { key } = await world.api.serverKeys.create({ server: 'billing', label: 'second' })
    await world.authority.stop()
    const guard = createGuard({
      url: world.url,
      serverKey: key ?? '',
      directory: `${world.directory}/second`,
      log: quiet,
    })
    const guarded = guard.fetch(createLibrary().handler)
    const ask = async () => {
      const response = await guarded(
        new Request(world.billing.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
        }),
      )
      return `${response.status} ${await response.text()}`
    }
    expect(await ask()).toMatch(/^200 .*"reason":"stale".*"retryable":true/)
    await world.authority.start()
    await guard.ready()
    expect(await ask()).toMatch(/^401 /)
    await guard.close()
  })
})

test('the database of the authority is gone: nothing is allowed on its word, and it mends', async () => {
  const { library, call, agent, server } = await stage()
  expect(await call()).toBe('ok')
  await world.authority.loseDatabase()
  await expect(agent.token(server.url)).rejects.toThrow()
  await expect(world.api.agents.list({})).rejects.toThrow()
  await expect.poll(() => call(), { timeout: 10_000 }).toBe('stale')
  const ran = library.ran.length
  expect(await call(SHELVE)).toBe('stale')
  expect(library.ran.length).toBe(ran)
  await world.authority.stop().catch(() => undefined)
  await world.authority.start()
  await expect.poll(() => call(SHELVE), { timeout: 10_000 }).toBe('ok')
})

describe('the clock of the guard', () => {
  test('jumps ten minutes forth and back: nothing is decided on an old lease, and nobody notices', async () => {
    let jumpMs = 0
    const clock = { now: () => Date.now() + jumpMs, monotonic: () => performance.now() }
    const { call } = await stage({ clock })
    expect(await call()).toBe('ok')
    for (const to of [10 * 60_000, 0, -10 * 60_000, 0]) {
      jumpMs = to
      expect(await call()).toBe('ok')
      expect(await call(SHELVE)).toBe('ok')
    }
  })

  test('jumps while the authority is gone: the lease ends at once', async () => {
    let jumpMs = 0
    const clock = { now: () => Date.now() + jumpMs, monotonic: () => performance.now() }
    const { call } = await stage({ clock })
    expect(await call()).toBe('ok')
    await world.authority.stop()
    for (const to of [10 * 60_000, -10 * 60_000]) {
      jumpMs = to
      expect(await call()).toBe('stale')
    }
    await world.authority.start()
  })

  test('passes the end of a token: 401, and 401 again once a clock went back is not taken as life', async () => {
    let jumpMs = 0
    const clock = { now: () => Date.now() + jumpMs, monotonic: () => performance.now() }
    const { call } = await stage({ clock })
    expect(await call()).toBe('ok')
    jumpMs = 20 * 60_000
    expect(await call()).toBe('401')
    jumpMs = 0
    expect(await call()).toBe('ok')
  })
})

describe('the disk of the guard', () => {
  test('full or broken: no call passes unrecorded, and it goes on once there is room', async () => {
    const { files, faults } = faultyFiles()
    const { library, call } = await stage({ files })
    expect(await call()).toBe('ok')
    const ran = library.ran.length
    faults.free = 10
    expect(await call()).toBe('audit_unavailable')
    faults.free = Number.POSITIVE_INFINITY
    faults.syncFails = true
    expect(await call()).toBe('audit_unavailable')
    expect(library.ran.length).toBe(ran)
    faults.syncFails = false
    await expect.poll(() => call(), { timeout: 10_000 }).toBe('ok')
  })
})

describe('the key of the guard', () => {
  test('revoked: it decides nothing any more', async () => {
    const { library, server, call } = await stage()
    expect(await call()).toBe('ok')
    const { items } = await world.api.serverKeys.list({ server: server.name })
    await world.api.serverKeys.revoke({ server: server.name, id: items[0]?.id ?? '' })
    await expect.poll(() => call(), { timeout: 10_000 }).toBe('stale')
    const ran = library.ran.length
    await sleep(2_000)
    expect(await call()).toBe('stale')
    expect(library.ran.length).toBe(ran)
  })

  test('used by a second process with the same folder: the spool is locked, and it says so', async () => {
    const { server } = await stage()
    const { key } = await world.api.serverKeys.create({ server: server.name, label: 'again' })
    const directory = `${world.directory}/${server.name}`
    const second = createGuard({ url: world.url, serverKey: key ?? '', directory, log: quiet })
    await expect(second.ready()).rejects.toMatchObject({ code: 'spool.locked' })
    await second.close()
  })

  test('unknown: the guard says so and refuses', async () => {
    const guard = createGuard({
      url: world.url,
      serverKey: 'vk_srv_wrong',
      directory: `${world.directory}/x`,
      log: quiet,
    })
    await expect(guard.ready()).rejects.toMatchObject({ code: 'auth.invalid' })
    const request = new Request(world.billing.url, { method: 'POST', body: '{}' })
    expect(await (await guard.fetch(createLibrary().handler)(request)).text()).toMatch(/"reason":"stale"/)
    await guard.close()
  })

  test('missing: it does not start, and names the variable', () => {
    expect(() => createGuard({ url: 'http://127.0.0.1:1' })).toThrow(/VALETKEY_SERVER_KEY/)
    expect(() => createGuard({ serverKey: 'x' })).toThrow(/VALETKEY_URL/)
  })
})
