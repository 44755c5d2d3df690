import { exportJWK, generateKeyPair } from 'jose'
import { expect, test } from 'vitest'
import type { Fetched, NotFetched } from '../client/outbound-fetch.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import type { Issuer } from './issuers.ts'

const URL = 'https://issuer.test/keys'
const ISSUER: Issuer = {
  ...{ id: 'iss', organization: 'org', kind: 'workload', issuer: 'https://issuer.test', jwksUri: URL },
  ...{ jwks: null, reusable: false, byEmail: false, tenant: null },
}

/** Keys of an issuer whose site answers as `site` does, at a time that can be moved. */
function setUp(site: () => Promise<Fetched | NotFetched>) {
  const state = { now: 1_000_000, fetches: 0 }
  const fetch = () => {
    state.fetches++
    return site()
  }
  const keysOf = createIssuerKeys({ fetch, now: () => state.now })
  const kids = async (kid?: string) => (await keysOf(ISSUER, kid)).map(key => key.kid)
  return { state, kids }
}

async function keySet(...kids: string[]): Promise<Fetched> {
  const keys = await Promise.all(
    kids.map(async kid => ({ ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), kid })),
  )
  return { ok: true, body: JSON.stringify({ keys }), maxAgeSeconds: 3600 }
}

test('an unknown key id, while the issuer cannot be reached, costs nobody the keys that are known', async () => {
  const known = await keySet('k1')
  let isUp = true
  const { state, kids } = setUp(async () => (isUp ? known : { ok: false, reason: 'unreachable' }))
  expect(await kids('k1')).toEqual(['k1'])
  isUp = false
  state.now += 120_000
  expect(await kids('made-up')).toEqual(['k1'])
  expect(state.fetches).toBe(2)
  expect(await kids('k1')).toEqual(['k1'])
  expect(state.fetches).toBe(2)
})

test('a new key is found by all who come with it at once, by asking once', async () => {
  const sets = [await keySet('k1'), await keySet('k1', 'k2')]
  const { state, kids } = setUp(async () => sets[state.fetches - 1] as Fetched)
  await kids('k1')
  state.now += 120_000
  const found = await Promise.all([kids('k2'), kids('k2'), kids('k1')])
  expect(found).toEqual([['k1', 'k2'], ['k1', 'k2'], ['k1']])
  expect(state.fetches).toBe(2)
})

test('keys end with their time, also where no others can be had', async () => {
  const known = await keySet('k1')
  let isUp = true
  const { state, kids } = setUp(async () => (isUp ? known : { ok: false, reason: 'unreachable' }))
  await kids('k1')
  isUp = false
  state.now += 3_601_000
  expect(await kids('k1')).toEqual([])
})

test('what went wrong while asking is not kept', async () => {
  const known = await keySet('k1')
  let fails = true
  const { state, kids } = setUp(async () => {
    if (fails) throw new Error('a fault of ours')
    return known
  })
  await expect(kids('k1')).rejects.toThrow('a fault of ours')
  fails = false
  state.now += 120_000
  expect(await kids('k1')).toEqual(['k1'])
})
