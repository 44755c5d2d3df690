import { describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../../packages/sdk/src/core/index.ts'
import { revokeServerKey } from '../../../packages/server/src/directory/index.ts'
import { contextOf, newKeys, proofOf, register, sendTo, startPoint, take } from '../../storage/feed-stand.ts'
import { codeOf, standFeed } from './stand.ts'

const stand = standFeed()

describe('registration', () => {
  test('a point is named after its key and counts its starts', async () => {
    const keys = await newKeys()
    const first = await stand.start(keys)
    const second = await stand.start(keys)
    expect(first.id).toMatch(/^pnt_[A-Za-z0-9_-]{26}$/)
    expect([second.id, first.epoch, second.epoch]).toEqual([first.id, 1, 2])
    expect((await stand.start()).id).not.toBe(first.id)
  })

  test('a point that remembers more starts than the authority goes on counting from there', async () => {
    const keys = await newKeys()
    const send = sendTo(stand.feed)
    expect((await startPoint(send, stand.seeded.serverKey, keys, { lastEpoch: 41 })).epoch).toBe(42)
    expect((await startPoint(send, stand.seeded.serverKey, keys, { lastEpoch: 7 })).epoch).toBe(43)
  })

  test('an Ed25519 key serves as well', async () => {
    const response = await register(sendTo(stand.feed), stand.seeded.serverKey, await newKeys('Ed25519'))
    expect(response.status).toBe(200)
  })

  test('by which key a point signs is on record with each of its starts', async () => {
    const { epoch } = await startPoint(sendTo(stand.feed), stand.seeded.serverKey, await newKeys())
    const outbox = await stand.store.db.selectFrom('auditOutbox').select('body').execute()
    const [event] = outbox
      .map(({ body }) => JSON.parse(body))
      .filter(({ type }) => type === 'point.registered')
    const { id, publicJwk } = await stand.store.db
      .selectFrom('enforcementPoint')
      .selectAll()
      .executeTakeFirstOrThrow()
    expect(event).toMatchObject({ target: id, detail: { epoch, publicJwk: JSON.parse(publicJwk) } })
  })

  test('a proof is worth nothing for another issuer, key, server key or time, and only once', async () => {
    const keys = await newKeys()
    const { serverKey } = stand.seeded
    const refused = async (proof: string) =>
      codeOf(await register(sendTo(stand.feed), serverKey, keys, { proof }))
    for (const parts of [
      { audience: 'https://other.example' },
      { issuedAt: Date.now() - 120_000 },
      { issuedAt: Date.now() + 120_000 },
      { serverKeyHash: 'x' },
    ])
      expect(await refused(await proofOf(keys, serverKey, parts))).toEqual([401, 'auth.invalid'])
    expect(await refused(await proofOf(await newKeys(), serverKey))).toEqual([401, 'auth.invalid'])
    const proof = await proofOf(keys, serverKey)
    expect((await register(sendTo(stand.feed), serverKey, keys, { proof })).status).toBe(200)
    expect(await refused(proof)).toEqual([401, 'auth.invalid'])
  })

  test('a key that belongs to another server, an unknown server key and a private key are refused', async () => {
    const keys = await newKeys()
    await stand.start(keys)
    const send = sendTo(stand.feed)
    expect(await codeOf(await register(send, stand.seeded.crmKey, keys))).toEqual([409, 'conflict.exists'])
    expect(await codeOf(await register(send, 'vk_srv_unknown_unknown', keys))).toEqual([401, 'auth.invalid'])
    const publicJwk = { ...keys.publicJwk, d: 'AAAA' }
    expect(await codeOf(await register(send, stand.seeded.serverKey, keys, { publicJwk }))).toEqual([
      400,
      'request.invalid',
    ])
  })

  test('no route answers without a session', async () => {
    for (const [method, path] of [
      ['GET', 'snapshot?organization=catalogue'],
      ['GET', 'changes?from=catalogue.0'],
      ['GET', 'upstream-credential'],
      ['POST', 'lease'],
      ['POST', 'leave'],
      ['POST', 'records'],
      ['POST', 'definitions'],
      ['GET', 'anything'],
    ] as const) {
      const send = sendTo(stand.feed)
      expect(await codeOf(await send(`/feed/${path}`, { method }))).toEqual([401, 'auth.required'])
      const headers = { authorization: 'Bearer vk_ses_of_somebody_else' }
      expect(await codeOf(await send(`/feed/${path}`, { method, headers }))).toEqual([401, 'auth.invalid'])
    }
  })

  test('a later start fences the earlier one and ends its stream', async () => {
    const keys = await newKeys()
    const earlier = await stand.start(keys)
    await earlier.snapshot(CATALOGUE)
    const stream = take(earlier.events('catalogue.0'), 10_000)
    await stand.start(keys)
    await stream
    expect(await codeOf(await earlier.post('/feed/lease', { applied: {} }))).toEqual([409, 'point.fenced'])
    expect(await codeOf(await earlier.send('/feed/snapshot?organization=catalogue'))).toEqual([
      409,
      'point.fenced',
    ])
  })

  test('a revoked server key shuts its points out and ends their streams', async () => {
    const point = await stand.start()
    await point.snapshot(CATALOGUE)
    const stream = take(point.events('catalogue.0'), 10_000)
    await revokeServerKey(contextOf(stand.store), {
      server: stand.seeded.billing.id,
      id: stand.seeded.serverKeyId,
    })
    await stream
    expect(await codeOf(await point.post('/feed/lease', { applied: {} }))).toEqual([401, 'auth.invalid'])
    expect(await codeOf(await register(sendTo(stand.feed), stand.seeded.serverKey, await newKeys()))).toEqual(
      [401, 'auth.invalid'],
    )
  })
})
