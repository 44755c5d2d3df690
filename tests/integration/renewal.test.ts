import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Person } from '../e2e/person.ts'
import { type Answered, type OauthStage, startStage } from './oauth-stage.ts'

/** Refresh tokens: who gets one, what it gives, and when it is over. */

const MINUTE = 60_000

let stage: OauthStage
let maya: Person
beforeAll(async () => {
  stage = await startStage()
  maya = await stage.signedUp()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

/** Tokens of a client that a person has just let act, and how it renews. */
async function begin(scope = 'invoices:read offline_access', duration?: number) {
  const client = await stage.register()
  const asked = stage.ask(client, { scope })
  const answer = { scope: ['invoices:read'], ...(duration !== undefined && { duration }) }
  const first = await stage.redeem(asked, await maya.decide(asked.url, answer))
  const renew = (token: unknown, more: Record<string, string> = {}) =>
    stage.send('/token', {
      ...{ grant_type: 'refresh_token', client_id: client, refresh_token: String(token), ...more },
    })
  return { client, first, renew }
}

const over = { status: 400, error: 'invalid_grant' }

test('is given with offline_access only', async () => {
  const { first } = await begin('invoices:read')
  expect(first).toMatchObject({ status: 200, scope: 'invoices:read' })
  expect(first).not.toHaveProperty('refresh_token')
})

test('of thirty-two that renew at once all get one successor, and so do those that come late', async () => {
  const { first, renew } = await begin()
  const answers = await Promise.all(Array.from({ length: 32 }, () => renew(first['refresh_token'])))
  expect(answers.map(({ status }) => status)).toEqual(Array(32).fill(200))
  const [successor, ...others] = new Set(answers.map(answer => answer['refresh_token']))
  expect(others).toEqual([])
  expect(successor).not.toBe(first['refresh_token'])
  // A client in several processes: one has the successor already, another still comes with the first.
  const mixed = await Promise.all(
    Array.from({ length: 32 }, (_, i) => renew(i % 2 ? successor : first['refresh_token'])),
  )
  expect(new Set(mixed.map(answer => answer['refresh_token']))).toEqual(new Set([successor]))
  const rows = await stage.authority.store.db.selectFrom('refreshFamily').selectAll().execute()
  expect(JSON.stringify(rows)).not.toContain(successor)
})

test('one that comes back after its time ends the family, and says so', async () => {
  const { client, first, renew } = await begin()
  const next = await renew(first['refresh_token'])
  stage.passTime(MINUTE)
  const last = await renew(next['refresh_token'])
  expect(last['refresh_token']).not.toBe(next['refresh_token'])
  expect(await renew(first['refresh_token'])).toMatchObject(over)
  expect(await renew(last['refresh_token'])).toMatchObject(over)
  await expect
    .poll(() => stage.events('refresh_family.ended'))
    .toContainEqual(
      expect.objectContaining({ detail: expect.objectContaining({ client, reason: 'reused' }) }),
    )
})

test('no family outlives its grant, however often it is renewed', async () => {
  const { first, renew } = await begin(undefined, 3_600)
  let last: Answered = first
  for (let minutes = 0; minutes < 50; minutes += 10) {
    stage.passTime(10 * MINUTE)
    last = await renew(last['refresh_token'])
    expect(last.status).toBe(200)
  }
  stage.passTime(8 * MINUTE)
  last = await renew(last['refresh_token'])
  expect(last['expires_in']).toBeLessThanOrEqual(120)
  stage.passTime(3 * MINUTE)
  expect(await renew(last['refresh_token'])).toMatchObject(over)
})
