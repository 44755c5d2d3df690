import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  cancelWaitingRequests,
  createAuthorizationServer,
  listWaitingRequests,
} from '../../packages/server/src/oauth/index.ts'
import { createOauthState, removeExpired } from '../../packages/server/src/oauth/oauth-state.ts'
import {
  ASSERTION_TYPE,
  RESOURCE,
  seed,
  startWorld,
  type World,
} from '../../packages/server/src/oauth/testing/world.ts'
import {
  answerWaiting,
  findBySecret,
  findByUserCode,
  keepWaiting,
  notePoll,
  useAnswer,
} from '../../packages/server/src/oauth/waiting/waiting-request.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { describeOnBoth } from './databases.ts'

/** A database far away: every transaction starts late and stays open for a while. */
function farAway(store: Store): Store {
  return {
    ...store,
    async write(work) {
      await delay(Math.random() * 5)
      return store.write(async tx => {
        const result = await work(tx)
        await delay(3)
        return result
      })
    },
  }
}

const EIGHT = Array.from({ length: 8 })

describeOnBoth('oauth state', (open, place) => {
  /** Two nodes over one database, as far as the database has room for two. */
  async function openTwo(): Promise<[Store, Store]> {
    const url = await place.newUrl()
    const first = await open(url)
    return [farAway(first), farAway(place.kind === 'postgres' ? await open(url) : first)]
  }

  test('of eight that consume one code at once, one succeeds', async () => {
    const nodes = (await openTwo()).map(store => createOauthState(store, Date.now)('AuthorizationCode'))
    await nodes[0]?.upsert('code', { grantId: 'gnt_1', accountId: 'ada' }, 60)
    const found = await Promise.all(EIGHT.map((_, i) => nodes[i % 2]?.find('code')))
    expect(found).toEqual(EIGHT.map(() => ({ grantId: 'gnt_1', accountId: 'ada' })))
    const consumed = await Promise.allSettled(EIGHT.map((_, i) => nodes[i % 2]?.consume('code')))
    expect(consumed.filter(result => result.status === 'fulfilled')).toHaveLength(1)
    for (const result of consumed)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ error: 'invalid_grant' })
    expect(await nodes[1]?.find('code')).toMatchObject({ consumed: expect.any(Number) })
  })

  test('what is stored is found by each of its names, replaced, removed, and gone when it has expired', async () => {
    const store = await open()
    let now = Date.now()
    const state = createOauthState(store, () => now)
    const grants = state('Grant')
    await grants.upsert('a', { uid: 'u1', userCode: 'ABCD', n: 1 }, 60)
    await grants.upsert('a', { uid: 'u1', userCode: 'ABCD', n: 2 }, 60)
    const stored = { uid: 'u1', userCode: 'ABCD', n: 2 }
    expect(await grants.find('a')).toEqual(stored)
    expect(await grants.findByUid('u1')).toEqual(stored)
    expect(await grants.findByUserCode('ABCD')).toEqual(stored)
    expect(await state('Session').find('a')).toBeUndefined()
    await grants.destroy('a')
    expect(await grants.find('a')).toBeUndefined()

    const codes = state('AuthorizationCode')
    await codes.upsert('the-code', { jti: 'the-code', n: 1 }, 60)
    expect(await codes.find('the-code')).toEqual({ jti: 'the-code', n: 1 })
    expect(JSON.stringify(await store.db.selectFrom('oauthState').selectAll().execute())).not.toContain(
      'the-code',
    )
    await codes.consume('the-code')
    expect(await codes.find('the-code')).toMatchObject({ consumed: expect.any(Number) })
    await codes.destroy('the-code')
    expect(await codes.find('the-code')).toBeUndefined()

    const tokens = state('RefreshToken')
    for (const [id, grantId] of [
      ['r1', 'g1'],
      ['r2', 'g1'],
      ['r3', 'g2'],
    ] as const)
      await tokens.upsert(id, { grantId }, 60)
    await tokens.revokeByGrantId('g1')
    expect(await Promise.all(['r1', 'r2', 'r3'].map(id => tokens.find(id)))).toEqual([
      undefined,
      undefined,
      { grantId: 'g2' },
    ])
    now += 61_000
    expect(await tokens.find('r3')).toBeUndefined()
    await removeExpired(store, now)
    expect(await store.db.selectFrom('oauthState').selectAll().execute()).toEqual([])
  })

  test('of eight requests with one assertion at two nodes, one gets a token', async () => {
    const [here, there] = await openTwo()
    await using first = await startWorld({ store: here })
    await using second = await startWorld({ store: there, issuer: first.issuer })
    const assertion = await first.assertion()
    const form = {
      ...{ grant_type: 'client_credentials', resource: RESOURCE },
      ...{ client_assertion: assertion, client_assertion_type: ASSERTION_TYPE },
    }
    const at = (world: World) =>
      fetch(`${world.origin}/token`, { method: 'POST', body: new URLSearchParams(form) })
    const responses = await Promise.all(EIGHT.map((_, i) => at(i % 2 ? first : second)))
    expect(responses.map(response => response.status).sort()).toEqual([200, ...Array(7).fill(401)])
    expect(await first.events('token.issued')).toHaveLength(1)
  })

  test('nodes that start at once share their signing keys', async () => {
    const [here, there] = await openTwo()
    const log = { warn: () => {}, error: () => {} }
    const options = { issuer: 'https://auth.example', log }
    const servers = await Promise.all(
      [here, there, here, there].map(store => createAuthorizationServer({ ...options, store })),
    )
    const keys = await here.db.selectFrom('signingKey').select(['kid', 'activeFrom']).execute()
    expect(keys.map(({ activeFrom }) => activeFrom !== null).sort()).toEqual([false, true])
    for (const server of servers) await server.close()
  })

  test('a burst of tokens is on record whole', async () => {
    await using world = await startWorld({ store: await open() })
    const form = { grant_type: 'client_credentials', resource: RESOURCE, client_id: world.agent }
    const ask = () => world.token({ ...form, client_secret: world.secret })
    const responses = await Promise.all(Array.from({ length: 50 }, ask))
    expect(new Set(responses.map(response => response.status))).toEqual(new Set([200]))
    const issued = await world.events('token.issued')
    expect(new Set(issued.map(event => event.target)).size).toBe(50)
  })

  test('a single-use record outlives its assertion, and then goes', async () => {
    const store = await open()
    await using world = await startWorld({ store })
    const form = {
      grant_type: 'client_credentials',
      resource: RESOURCE,
      client_assertion_type: ASSERTION_TYPE,
    }
    await world.token({ ...form, client_assertion: await world.assertion() })
    const [row] = await store.db.selectFrom('replay').selectAll().execute()
    const ends = Number(row?.expiresAt)
    expect(ends).toBeGreaterThan(Date.now() + 60_000)
    await removeExpired(store, ends)
    expect(await store.db.selectFrom('replay').selectAll().execute()).toHaveLength(1)
    await removeExpired(store, ends + 60_001)
    expect(await store.db.selectFrom('replay').selectAll().execute()).toEqual([])
  })
})

describeOnBoth('requests that wait', open => {
  test('of eight answers one counts, and of eight that fetch it one succeeds', async () => {
    const store = farAway(await open())
    await keepWaiting(store, Date.now, 'device')('secret', { clientId: 'cli_1', userCode: 'BCDFGHJK' }, 60)
    const { id = '' } = (await findByUserCode(store, 'bcdf-ghjk', Date.now())) ?? {}
    const answers = await Promise.all(
      EIGHT.map((_, i) => {
        const given = { grant: `gnt_${i}`, scopes: [], isOffline: false }
        return store.write(tx => answerWaiting(tx, id, i % 2 ? given : 'denied', Date.now()))
      }),
    )
    expect(answers.filter(Boolean)).toHaveLength(1)
    expect(await findByUserCode(store, 'BCDFGHJK', Date.now())).toBeUndefined()
    const fetched = await Promise.all(EIGHT.map(() => store.write(tx => useAnswer(tx, id, Date.now()))))
    expect(fetched.filter(Boolean)).toHaveLength(1)
    const polls = await Promise.all(EIGHT.map(() => notePoll(store, id, Date.now())))
    expect(polls.filter(Boolean)).toHaveLength(1)
    expect(JSON.stringify(await store.db.selectFrom('waitingRequest').selectAll().execute())).not.toContain(
      'BCDFGHJK',
    )
    await removeExpired(store, Date.now() + 3_600_000)
    expect(await findBySecret(store, 'secret')).toBeUndefined()
  })

  test('what is cancelled and answered at once is the one or the other, and the list has it no more', async () => {
    const store = farAway(await open())
    const { agent, owner: person, organization } = await seed(store)
    const ctx = { store, now: Date.now, actor: { id: 'tok_test', name: 'test', permissions: ['*'] } }
    const keep = keepWaiting(store, Date.now, 'backchannel')
    for (let n = 0; n < 8; n++) await keep(`secret-${n}`, { clientId: agent, accountId: person }, 60)
    const { items } = await listWaitingRequests(ctx, { organization, limit: 20 })
    expect(items).toHaveLength(8)
    const given = { grant: 'gnt_1', scopes: [], isOffline: false }
    const [{ cancelled }, ...answers] = await Promise.all([
      cancelWaitingRequests(ctx, { organization, person, reason: '' }),
      ...items.map(({ id }) => store.write(tx => answerWaiting(tx, id, given, Date.now()))),
    ])
    expect(cancelled.length + answers.filter(Boolean).length).toBe(8)
    for (const [n, { id }] of items.entries()) expect(cancelled.includes(id)).toBe(!answers[n])
    expect((await listWaitingRequests(ctx, { organization, limit: 20 })).items).toEqual([])
  })
})
