import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { CATALOGUE } from '@valetkey/sdk/core'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import type { Context } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import { listSigningKeys, retireSigningKey, rotateSigningKey } from '../index.ts'
import { bySecret } from '../testing/requests.ts'
import { answerOf, startWorld, type World } from '../testing/world.ts'
import { removeEndedKeys, toFixedWidth } from './signing-key.ts'

const MINUTE_MS = 60_000

/** A world whose clock the test moves, and the operations of an administrator in it. */
async function startKeys() {
  let shift = 0
  const now = () => Date.now() + shift
  const world = await startWorld({ now })
  const ctx: Context = { store: world.store, now, actor: { id: 'tok_1', name: 'admin', permissions: ['*'] } }
  const nobody = async () => ({
    revision: 0,
    organization: CATALOGUE,
    complete: true,
    elapsedMs: 0,
    points: [],
  })
  return {
    world,
    now,
    pass: (minutes: number) => {
      shift += minutes * MINUTE_MS
    },
    rotate: (urgent = false) => rotateSigningKey(ctx, { urgent }),
    retire: (kid: string) => retireSigningKey(ctx, { kid, reason: 'test', waitMs: 0 }, nobody),
    /** Status by key, in words. */
    states: async () => (await listSigningKeys(ctx)).items.map(({ status }) => status).sort(),
    keyOf: async (status: string) =>
      (await listSigningKeys(ctx)).items.find(key => key.status === status)?.kid ?? '',
    published: async () => (await world.authorizationServer.jwks()).keys.map(({ kid }) => kid),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

async function signedBy(world: World): Promise<string> {
  return decodeProtectedHeader(await token(world)).kid ?? ''
}

async function token(world: World): Promise<string> {
  return (await answerOf(world.token(bySecret(world)))).access_token
}

test('a key is published before it signs, and stays until the last of its tokens has ended', async () => {
  await using keys = await startKeys()
  const { world } = keys
  const [first, second] = [await keys.keyOf('active'), await keys.keyOf('next')]
  expect(await keys.published()).toEqual(expect.arrayContaining([first, second]))
  expect(await signedBy(world)).toBe(first)

  await keys.rotate()
  keys.pass(14)
  expect(await signedBy(world)).toBe(first)
  const last = await token(world)
  keys.pass(1.1)
  expect(await signedBy(world)).toBe(second)
  expect(await keys.states()).toEqual(['active', 'next', 'retired'])
  const set = createLocalJWKSet(await world.authorizationServer.jwks())
  await jwtVerify(last, set, { currentDate: new Date(keys.now()) })

  keys.pass(14)
  await removeEndedKeys(world.store, keys.now())
  expect(await keys.published()).toContain(first)
  keys.pass(3)
  await removeEndedKeys(world.store, keys.now())
  expect(await keys.published()).not.toContain(first)
  expect(await keys.states()).toEqual(['active', 'next'])
})

test('one that has been published for long signs at once', async () => {
  await using keys = await startKeys()
  const next = await keys.keyOf('next')
  keys.pass(20)
  await keys.rotate()
  expect(await signedBy(keys.world)).toBe(next)
})

test('one change of keys at a time, and an urgent one brings it forward', async () => {
  await using keys = await startKeys()
  const next = await keys.keyOf('next')
  await keys.rotate()
  await expect(keys.rotate()).rejects.toMatchObject({ code: 'conflict.state' })
  expect(await keys.rotate(true)).toMatchObject({ kid: next, status: 'next' })
  keys.pass(0.2)
  expect(await signedBy(keys.world)).toBe(next)
})

test('all nodes change keys together, without being told', async () => {
  await using keys = await startKeys()
  await using other = await startWorld({ store: keys.world.store, now: keys.now })
  await keys.rotate()
  for (const minutes of [0, 14, 1.1]) {
    keys.pass(minutes)
    expect(await signedBy(other)).toBe(await signedBy(keys.world))
  }
  expect(await signedBy(other)).toBe(await keys.keyOf('active'))
})

test('a key that is retired signs and verifies nothing any more, and the next one takes over', async () => {
  await using keys = await startKeys()
  const { world } = keys
  const [first, second] = [await keys.keyOf('active'), await keys.keyOf('next')]
  const lost = await token(world)
  expect(await keys.retire(first)).toMatchObject({ kid: first, status: 'active' })
  expect(await signedBy(world)).toBe(second)
  expect(await keys.published()).not.toContain(first)
  const by = { client_id: world.agent, client_secret: world.secret }
  const asked = await world.introspect({ token: lost, ...by })
  expect(await asked.json()).toEqual({ active: false })
  const own = await world.introspect({ token: await token(world), ...by })
  expect(await own.json()).toMatchObject({ active: true })

  await keys.retire(await keys.keyOf('next'))
  expect(await keys.states()).toEqual(['active', 'next'])
  await expect(keys.retire(first)).rejects.toMatchObject({ code: 'not_found' })
})

test('every change is on record, told to enforcement points, and holds no private key', async () => {
  await using keys = await startKeys()
  await keys.rotate(true)
  await keys.retire(await keys.keyOf('active'))
  const types = (await keys.world.events())
    .map(({ type }) => type)
    .filter(type => type.startsWith('signing_key'))
  expect(new Set(types)).toEqual(
    new Set(['signing_key.created', 'signing_key.scheduled', 'signing_key.removed']),
  )
  const facts = await factsOf(keys.world.store)
  expect(facts.filter(({ value }) => value === null)).toHaveLength(1)
  expect(JSON.stringify(facts)).not.toContain('"d"')
})

function factsOf({ db }: Store) {
  return db.selectFrom('changeLog').select(['factId', 'value']).where('fact', '=', 'signing_key').execute()
}

test('both numbers of a signature stand in their half, however short they are', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  for (let n = 0; n < 300; n++) {
    const data = Buffer.from(String(n))
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha256', data, key, toFixedWidth(sign('sha256', data, privateKey)))).toBe(true)
  }
  // One of a single byte, and one of the full width whose first bit is set.
  const high = 'f1'.repeat(32)
  const der = Buffer.from(`3026020109022100${high}`, 'hex')
  expect(toFixedWidth(der).toString('hex')).toBe(`${'09'.padStart(64, '0')}${high}`)
})
