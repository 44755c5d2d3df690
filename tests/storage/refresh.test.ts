import { expect, test } from 'vitest'
import type { ActingToken } from '../../packages/server/src/oauth/grant/acting-token.ts'
import {
  beginFamily,
  endFamily,
  findFamily,
  GRACE_MS,
  readRefreshToken,
  renew,
} from '../../packages/server/src/oauth/grant/refresh-family.ts'
import { seed } from '../../packages/server/src/oauth/testing/world.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { describeOnBoth } from './databases.ts'

const KEY = 'a key for tests'

async function begin(store: Store, clock: { now: number }) {
  const { organization, agent, owner } = await seed(store)
  const id = `gnt_${'0'.repeat(26)}`
  const grant = {
    id,
    organizationId: organization,
    agentId: agent,
    personId: owner,
    scopes: '[]',
    resources: '[1]',
  }
  const times = { createdAt: new Date(clock.now).toISOString(), expiresAt: null, revokedAt: null }
  await store.db
    .insertInto('grant')
    .values({ ...grant, ...times })
    .execute()
  const options = { store, refreshKey: KEY, now: () => clock.now }
  const claims = { org: organization, client_id: agent, aud: 'https://billing.test' }
  const issued = { claims, grant: { id, expiresAt: null } } as unknown as ActingToken
  const token = await store.write(tx =>
    beginFamily(options, tx, issued, { scopes: ['invoices:read'], jkt: null }),
  )
  const first = readRefreshToken(KEY, token)
  if (!first) throw new Error('a token of ours does not read')
  return { options, token, first, agent }
}

function renewIn({ store, now }: { store: Store; now(): number }, presented: Parameters<typeof renew>[1]) {
  return store.write(tx => renew(tx, presented, now()))
}

describeOnBoth('refresh families', open => {
  test('of thirty-two that renew at once one moves on, and all get the same successor', async () => {
    const clock = { now: Date.now() }
    const { options, first } = await begin(await open(), clock)
    const all = await Promise.all(Array.from({ length: 32 }, () => renewIn(options, first)))
    expect(new Set(all.map(renewal => JSON.stringify(renewal)))).toEqual(
      new Set(['{"kind":"renewed","counter":2}']),
    )
    expect(Number((await findFamily(options.store, first.family))?.counter)).toBe(2)
  })

  test('the grace window ends, and what comes later is reuse', async () => {
    const clock = { now: Date.now() }
    const { options, first } = await begin(await open(), clock)
    await renewIn(options, first)
    clock.now += GRACE_MS
    expect(await renewIn(options, first)).toEqual({ kind: 'renewed', counter: 2 })
    clock.now += 1
    expect(await renewIn(options, first)).toEqual({ kind: 'reused' })
  })

  test('meanwhile the successor moves nothing on, so that whoever comes late with the one before is answered', async () => {
    const clock = { now: Date.now() }
    const { options, first } = await begin(await open(), clock)
    const next = { ...first, counter: 2 }
    await renewIn(options, first)
    const answers = await Promise.all(
      Array.from({ length: 32 }, (_, i) => renewIn(options, i % 2 ? next : first)),
    )
    expect(new Set(answers.map(renewal => JSON.stringify(renewal)))).toEqual(
      new Set(['{"kind":"renewed","counter":2}']),
    )
    clock.now += GRACE_MS + 1
    expect(await renewIn(options, next)).toEqual({ kind: 'renewed', counter: 3 })
    expect(await renewIn(options, first)).toEqual({ kind: 'reused' })
  })

  test('a family that has ended stays so, whichever token comes', async () => {
    const clock = { now: Date.now() }
    const { options, first, agent } = await begin(await open(), clock)
    await renewIn(options, first)
    const family = await findFamily(options.store, first.family)
    if (!family) throw new Error('no family')
    await endFamily(options, family, { agent, reason: 'test' })
    for (const counter of [1, 2, 3])
      expect(await renewIn(options, { ...first, counter })).toEqual({ kind: 'ended' })
  })

  test('only what was derived here reads, and the database holds no token', async () => {
    const { options, token } = await begin(await open(), { now: Date.now() })
    expect(readRefreshToken('another key', token)).toBeUndefined()
    for (const forged of [
      '',
      'vk_rt_',
      `${token}x`,
      token.replace('.1.', '.2.'),
      token.replace('rfm_', 'gnt_'),
    ])
      expect(readRefreshToken(KEY, forged), forged).toBeUndefined()
    const rows = await options.store.db.selectFrom('refreshFamily').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain(token.split('.').at(-1))
  })
})
