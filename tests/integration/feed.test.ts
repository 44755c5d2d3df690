import { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { compactDecrypt } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CATALOGUE, type CallRecord, type Shipment } from '../../packages/sdk/src/core/index.ts'
import {
  revokeServerKey,
  setUpstreamCredential,
  suspendAgent,
} from '../../packages/server/src/directory/index.ts'
import type { Feed } from '../../packages/server/src/feed/index.ts'
import { openStore, type Store } from '../../packages/server/src/store/index.ts'
import { attempt, outcome } from '../storage/audit-samples.ts'
import {
  addAgent,
  contextOf,
  type FeedPoint,
  type Keys,
  map,
  newKeys,
  openFeed,
  proofOf,
  register,
  type Seeded,
  type Send,
  seed,
  sendTo,
  startPoint,
  take,
} from '../storage/feed-stand.ts'
import { toShipments } from '../storage/shipping.ts'

let store: Store
let feed: Feed
let seeded: Seeded
const ingested: { point: string; epoch: number; count: number }[] = []

beforeEach(async () => {
  store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(1) })
  seeded = await seed(contextOf(store))
  ingested.length = 0
  feed = openFeed(store, {
    leaseMs: 300,
    beatMs: 50,
    audit: {
      async ingest(point, epoch, shipments) {
        const count = shipments.reduce((sum, { records }) => sum + records.length, 0)
        ingested.push({ point, epoch, count })
      },
    },
  })
})

afterEach(async () => {
  feed.close()
  await store.close()
})

const start = async (keys = undefined as Awaited<ReturnType<typeof newKeys>> | undefined) =>
  startPoint(sendTo(feed), seeded.serverKey, keys)

async function codeOf(response: Response): Promise<[number, string]> {
  const { code } = (await response.json()) as { code: string }
  return [response.status, code]
}

describe('registration', () => {
  test('a point is named after its key and counts its starts', async () => {
    const keys = await newKeys()
    const first = await start(keys)
    const second = await start(keys)
    expect(first.id).toMatch(/^pnt_[A-Za-z0-9_-]{26}$/)
    expect([second.id, first.epoch, second.epoch]).toEqual([first.id, 1, 2])
    expect((await start()).id).not.toBe(first.id)
  })

  test('a point that remembers more starts than the authority goes on counting from there', async () => {
    const keys = await newKeys()
    const send = sendTo(feed)
    expect((await startPoint(send, seeded.serverKey, keys, { lastEpoch: 41 })).epoch).toBe(42)
    expect((await startPoint(send, seeded.serverKey, keys, { lastEpoch: 7 })).epoch).toBe(43)
  })

  test('an Ed25519 key serves as well', async () => {
    const response = await register(sendTo(feed), seeded.serverKey, await newKeys('Ed25519'))
    expect(response.status).toBe(200)
  })

  test('by which key a point signs is on record with each of its starts', async () => {
    const { epoch } = await startPoint(sendTo(feed), seeded.serverKey, await newKeys())
    const outbox = await store.db.selectFrom('auditOutbox').select('body').execute()
    const [event] = outbox
      .map(({ body }) => JSON.parse(body))
      .filter(({ type }) => type === 'point.registered')
    const { id, publicJwk } = await store.db
      .selectFrom('enforcementPoint')
      .selectAll()
      .executeTakeFirstOrThrow()
    expect(event).toMatchObject({ target: id, detail: { epoch, publicJwk: JSON.parse(publicJwk) } })
  })

  test('a proof is worth nothing for another issuer, key, server key or time, and only once', async () => {
    const keys = await newKeys()
    const { serverKey } = seeded
    const refused = async (proof: string) => codeOf(await register(sendTo(feed), serverKey, keys, { proof }))
    for (const parts of [
      { audience: 'https://other.example' },
      { issuedAt: Date.now() - 120_000 },
      { issuedAt: Date.now() + 120_000 },
      { serverKeyHash: 'x' },
    ])
      expect(await refused(await proofOf(keys, serverKey, parts))).toEqual([401, 'auth.invalid'])
    expect(await refused(await proofOf(await newKeys(), serverKey))).toEqual([401, 'auth.invalid'])
    const proof = await proofOf(keys, serverKey)
    expect((await register(sendTo(feed), serverKey, keys, { proof })).status).toBe(200)
    expect(await refused(proof)).toEqual([401, 'auth.invalid'])
  })

  test('a key that belongs to another server, an unknown server key and a private key are refused', async () => {
    const keys = await newKeys()
    await start(keys)
    const send = sendTo(feed)
    expect(await codeOf(await register(send, seeded.crmKey, keys))).toEqual([409, 'conflict.exists'])
    expect(await codeOf(await register(send, 'vk_srv_unknown_unknown', keys))).toEqual([401, 'auth.invalid'])
    const publicJwk = { ...keys.publicJwk, d: 'AAAA' }
    expect(await codeOf(await register(send, seeded.serverKey, keys, { publicJwk }))).toEqual([
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
      const send = sendTo(feed)
      expect(await codeOf(await send(`/feed/${path}`, { method }))).toEqual([401, 'auth.required'])
      const headers = { authorization: 'Bearer vk_ses_of_somebody_else' }
      expect(await codeOf(await send(`/feed/${path}`, { method, headers }))).toEqual([401, 'auth.invalid'])
    }
  })

  test('a later start fences the earlier one and ends its stream', async () => {
    const keys = await newKeys()
    const earlier = await start(keys)
    await earlier.snapshot(CATALOGUE)
    const stream = take(earlier.events('catalogue.0'), 10_000)
    await start(keys)
    await stream
    expect(await codeOf(await earlier.post('/feed/lease', { applied: {} }))).toEqual([409, 'point.fenced'])
    expect(await codeOf(await earlier.send('/feed/snapshot?organization=catalogue'))).toEqual([
      409,
      'point.fenced',
    ])
  })

  test('a revoked server key shuts its points out and ends their streams', async () => {
    const point = await start()
    await point.snapshot(CATALOGUE)
    const stream = take(point.events('catalogue.0'), 10_000)
    await revokeServerKey(contextOf(store), { server: seeded.billing.id, id: seeded.serverKeyId })
    await stream
    expect(await codeOf(await point.post('/feed/lease', { applied: {} }))).toEqual([401, 'auth.invalid'])
    expect(await codeOf(await register(sendTo(feed), seeded.serverKey, await newKeys()))).toEqual([
      401,
      'auth.invalid',
    ])
  })
})

describe('facts', () => {
  test('a point is given the tools of its own server alone', async () => {
    const point = await start()
    const facts = await point.snapshot(CATALOGUE)
    const text = JSON.stringify(facts)
    expect(text).toContain('"refund"')
    expect(text).toContain('"clerk"')
    expect(text).not.toContain('crm')
  })

  test('a change of another server arrives as a revision without content', async () => {
    const point = await start()
    const { revision } = await point.snapshot(CATALOGUE)
    const events = point.events(`catalogue.${revision}`)
    await map(contextOf(store), seeded.crm.id, 'another-crm-tool')
    await map(contextOf(store), seeded.billing.id, 'void')
    const [foreign, own] = await take(events, 2)
    expect(foreign).toMatchObject({ id: `catalogue.${revision + 1}`, change: { ops: [] } })
    expect(own).toMatchObject({ id: `catalogue.${revision + 2}`, change: { ops: [{ fact: 'tool' }] } })
  })

  test('an organization that is not there has no snapshot', async () => {
    const point = await start()
    expect(await codeOf(await point.send('/feed/snapshot?organization=org_none'))).toEqual([404, 'not_found'])
    expect(await codeOf(await point.send('/feed/snapshot'))).toEqual([400, 'request.invalid'])
  })

  test('a suspended agent arrives over the stream', async () => {
    const point = await start()
    const { revision } = await point.snapshot(seeded.organization)
    const events = point.events(`${seeded.organization}.${revision}`)
    const { organization, agent } = seeded
    await suspendAgent(contextOf(store), { organization, id: agent.id, reason: '' })
    const [event] = await take(events, 1)
    expect(event).toMatchObject({
      kind: 'change',
      change: {
        revision: revision + 1,
        ops: [{ fact: 'principal', id: agent.id, value: { status: 'suspended' } }],
      },
    })
  })

  test('a position is refused where it is malformed, double or names what the point does not hold', async () => {
    const point = await start()
    await point.snapshot(CATALOGUE)
    for (const from of ['', 'catalogue', 'catalogue.-1', 'catalogue.1,catalogue.2', 'catalogue.01', 'x.1'])
      expect(await codeOf(await point.send(`/feed/changes?from=${from}`))).toEqual([400, 'request.invalid'])
    const foreign = await point.send(`/feed/changes?from=${seeded.organization}.0`)
    expect(await codeOf(foreign)).toEqual([400, 'request.invalid'])
  })

  test('a subscriber goes on after the last event that it saw', async () => {
    const point = await start()
    const { revision } = await point.snapshot(CATALOGUE)
    for (const name of ['a', 'b', 'c']) await map(contextOf(store), seeded.billing.id, name)
    const from = `catalogue.${revision}`
    const [first] = await take(point.events(from), 1)
    const rest = await take(point.events(from, { lastEventId: first?.id ?? '' }), 2)
    expect(rest.map(event => event.id)).toEqual([`catalogue.${revision + 2}`, `catalogue.${revision + 3}`])
  })

  test('a subscriber whose history is gone, or who is ahead of the database, is told to load anew', async () => {
    const point = await start()
    const { revision } = await point.snapshot(CATALOGUE)
    const [ahead] = await take(point.events(`catalogue.${revision + 5}`), 1)
    expect(ahead).toMatchObject({ kind: 'reset', organization: CATALOGUE, id: `catalogue.${revision}` })
    await store.db.deleteFrom('changeLog').where('revision', '<=', 2).execute()
    const [gone] = await take(point.events('catalogue.1'), 1)
    expect(gone).toMatchObject({ kind: 'reset', organization: CATALOGUE, id: `catalogue.${revision}` })
  })

  test('streams end when the feed closes', async () => {
    const point = await start()
    await point.snapshot(CATALOGUE)
    const stream = take(point.events('catalogue.0'), 10_000)
    await new Promise(resolve => setTimeout(resolve, 20))
    feed.close()
    expect((await stream).length).toBeGreaterThan(0)
  })
})

describe('leases and barriers', () => {
  test('a renewal names the heads of all that the point holds, and no more', async () => {
    const point = await start()
    const catalogue = await point.snapshot(CATALOGUE)
    expect(await point.lease({ catalogue: catalogue.revision })).toMatchObject({
      leaseMs: 300,
      heads: { catalogue: catalogue.revision },
    })
    const shard = await point.snapshot(seeded.organization)
    const { heads } = await point.lease({ catalogue: catalogue.revision, org_unknown: 3 })
    expect(heads).toEqual({ catalogue: catalogue.revision, [seeded.organization]: shard.revision })
    const after = await point.lease({ catalogue: catalogue.revision }, [seeded.organization])
    expect(after.heads).toEqual({ catalogue: catalogue.revision })
  })

  test('no lease is renewed where the heads cannot be read', async () => {
    const point = await start()
    await point.snapshot(CATALOGUE)
    await store.close()
    const response = await point.post('/feed/lease', { applied: {} })
    expect(response.status).toBeGreaterThanOrEqual(500)
    store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(1) })
  })

  test('a barrier is complete once every point has acknowledged', async () => {
    const { organization, owner } = seeded
    const [one, two] = [await start(), await start()]
    for (const point of [one, two]) {
      const { revision } = await point.snapshot(organization)
      await point.lease({ [organization]: revision })
    }
    await addAgent(contextOf(store), organization, owner, 'newcomer')
    const { revision } = await one.snapshot(organization)
    const waiting = feed.barrier(organization, revision, 250)
    await one.lease({ [organization]: revision })
    await new Promise(resolve => setTimeout(resolve, 20))
    await two.lease({ [organization]: revision })
    const result = await waiting
    expect(result).toMatchObject({ complete: true, organization, revision })
    expect(result.points.map(point => point.outcome)).toEqual(['confirmed', 'confirmed'])
    const slow = result.points.find(point => point.id === two.id)
    expect(slow?.ms).toBeGreaterThan(15)
  })

  test('a silent point holds a barrier up for as long as its lease runs, not longer', async () => {
    const { organization, owner } = seeded
    const point = await start()
    const { revision } = await point.snapshot(organization)
    await point.lease({ [organization]: revision })
    await addAgent(contextOf(store), organization, owner, 'newcomer')
    const early = await feed.barrier(organization, revision + 1, 50)
    expect(early).toMatchObject({ complete: false, points: [{ id: point.id, outcome: 'waiting' }] })
    const late = await feed.barrier(organization, revision + 1, 2_000)
    expect(late).toMatchObject({ complete: true, points: [{ id: point.id, outcome: 'lease_ended' }] })
    expect(late.elapsedMs).toBeLessThan(400)
  })

  test('an earlier start that still has a lease holds a barrier up too', async () => {
    const { organization, owner } = seeded
    const keys = await newKeys()
    const earlier = await start(keys)
    const { revision } = await earlier.snapshot(organization)
    await earlier.lease({ [organization]: revision })
    await start(keys)
    await addAgent(contextOf(store), organization, owner, 'newcomer')
    expect((await feed.barrier(organization, revision + 1, 30)).complete).toBe(false)
    expect((await feed.barrier(organization, revision + 1, 2_000)).complete).toBe(true)
  })

  test('a point that has left is not waited for', async () => {
    const { organization, owner } = seeded
    const point = await start()
    const { revision } = await point.snapshot(organization)
    await point.lease({ [organization]: revision })
    await point.post('/feed/leave', {})
    await addAgent(contextOf(store), organization, owner, 'newcomer')
    expect((await feed.barrier(organization, revision + 1, 0)).complete).toBe(true)
  })

  test('a point that does not hold the organization is not waited for', async () => {
    const point = await start()
    const { revision } = await point.snapshot(CATALOGUE)
    await point.lease({ catalogue: revision })
    expect(await feed.barrier(seeded.organization, 999, 0)).toMatchObject({ complete: true, points: [] })
  })
})

describe('what points report', () => {
  const ship = async (point: FeedPoint, keys: Keys, records: readonly CallRecord[]) =>
    point.post('/feed/records', {
      shipments: toShipments(point.id, KeyObject.from(keys.privateKey), records),
    })
  const made = async () => {
    const keys = await newKeys()
    return { keys, point: await start(keys) }
  }

  test('records go on under the point and start of the session', async () => {
    const keys = await newKeys()
    await start(keys)
    const point = await start(keys)
    const records = [
      attempt(4, { server: seeded.billing.id }),
      outcome(5, 'dec_4'),
      attempt(1, { server: seeded.billing.id, organization: null }, 2),
    ]
    expect(await (await ship(point, keys, records)).json()).toEqual({ accepted: 3 })
    expect(ingested).toEqual([{ point: point.id, epoch: 2, count: 3 }])
  })

  test('point.forged: records of a start that has not happened, or of another server, are refused whole', async () => {
    const { keys, point } = await made()
    const own = attempt(1, { server: seeded.billing.id })
    for (const forged of [
      attempt(2, { server: seeded.billing.id }, 2),
      attempt(2, { server: seeded.crm.id }),
    ])
      expect(await codeOf(await ship(point, keys, [own, forged]))).toEqual([403, 'point.forged'])
    expect(ingested).toEqual([])
  })

  test('point.forged: a shipment under another key, of another point, or changed on the way', async () => {
    const { keys, point } = await made()
    const records = [attempt(1, { server: seeded.billing.id }), attempt(2, { server: seeded.billing.id })]
    expect(await codeOf(await ship(point, await newKeys(), records))).toEqual([403, 'point.forged'])
    const other = await made()
    expect(await codeOf(await ship({ ...point, id: other.point.id }, other.keys, records))).toEqual([
      403,
      'point.forged',
    ])
    const [good] = toShipments(point.id, KeyObject.from(keys.privateKey), records)
    if (!good) throw new Error('there is a shipment')
    const [first, second] = good.records
    const changed: Shipment[] = [
      { ...good, records: [{ ...first, leaf: { ...first?.leaf, tool: 'other' } }, second] as never },
      { ...good, records: [{ ...first, data: { arguments: { customer: 'other' } } }, second] as never },
      { ...good, records: [{ ...first, data: null, key: null }, second] as never },
      { ...good, records: [second] as never },
      { ...good, records: [first] as never },
      { ...good, organization: 'org_other' },
      { ...good, signature: good.signature.replace(/^./, letter => (letter === 'A' ? 'B' : 'A')) },
      { ...good, signature: '' },
    ]
    for (const shipment of changed)
      expect(await codeOf(await point.post('/feed/records', { shipments: [shipment] }))).toEqual([
        403,
        'point.forged',
      ])
    const backwards = { ...good, records: [second, first] as never }
    expect(await codeOf(await point.post('/feed/records', { shipments: [backwards] }))).toEqual([
      400,
      'request.invalid',
    ])
    expect(ingested).toEqual([])
    expect((await point.post('/feed/records', { shipments: [good] })).status).toBe(200)
  })

  test('what is not JSON, not a record or too large is refused', async () => {
    const point = await start()
    const raw = (body: string) =>
      point.send('/feed/records', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    expect(await codeOf(await raw('{'))).toEqual([400, 'request.invalid'])
    expect(await codeOf(await raw('{"shipments":[{"v":1}]}'))).toEqual([400, 'request.invalid'])
    expect(await codeOf(await raw(`{"shipments":"${'x'.repeat(17 * 1024 * 1024)}"}`))).toEqual([
      413,
      'request.too_large',
    ])
  })

  test('definitions are noted for the own server, without a new revision', async () => {
    const point = await start()
    const { revision } = await point.snapshot(CATALOGUE)
    const seen = { kind: 'tool', name: 'refund', description: 'Refunds.', annotations: null }
    const send = (definition: string) =>
      point.post('/feed/definitions', {
        definitions: [{ ...seen, definition, inputSchema: { type: 'object' } }],
      })
    expect((await send('sha256-a')).status).toBe(200)
    expect((await send('sha256-b')).status).toBe(200)
    const rows = await store.db.selectFrom('seenDefinition').selectAll().execute()
    expect(rows).toMatchObject([{ serverId: seeded.billing.id, name: 'refund', definition: 'sha256-b' }])
    expect((await point.snapshot(CATALOGUE)).revision).toBe(revision)
  })

  test('only a gateway is given the upstream credential, encrypted to its sealing key', async () => {
    const ctx = contextOf(store)
    const sealing = await newKeys('ECDH-ES')
    const gateway = await startPoint(sendTo(feed), seeded.serverKey, undefined, {
      kind: 'gateway',
      sealingJwk: sealing.publicJwk,
    })
    const ask = async () =>
      ((await (await gateway.send('/feed/upstream-credential')).json()) as { jwe: string | null }).jwe
    expect(await ask()).toBeNull()
    await setUpstreamCredential(ctx, { id: seeded.billing.id, header: 'x-api-key', value: 'upstream-secret' })
    const { plaintext } = await compactDecrypt((await ask()) ?? '', sealing.privateKey)
    expect(JSON.parse(new TextDecoder().decode(plaintext))).toEqual({
      header: 'x-api-key',
      value: 'upstream-secret',
    })
    expect(await codeOf(await (await start()).send('/feed/upstream-credential'))).toEqual([
      403,
      'permission.denied',
    ])
  })

  test('the catalogue that a point holds says nothing of the upstream credential', async () => {
    const point = await start()
    await setUpstreamCredential(contextOf(store), { id: seeded.billing.id, header: 'x', value: 'hush-hush' })
    const facts = await point.snapshot(CATALOGUE)
    expect(JSON.stringify(facts)).not.toMatch(/upstream|hush-hush/)
  })
})

describe('over real sockets', () => {
  async function listen(): Promise<{ send: Send; close(): Promise<void> }> {
    const server = serve({ fetch: feed.app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return {
      send: (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init),
      async close() {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      },
    }
  }

  test('events arrive as they happen, and quiet streams show that they are alive', async () => {
    const { send, close } = await listen()
    const point = await startPoint(send, seeded.serverKey)
    const { revision } = await point.snapshot(CATALOGUE)
    const response = await point.send(`/feed/changes?from=catalogue.${revision}`)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    const reader = response.body?.getReader()
    const text = async () => new TextDecoder().decode((await reader?.read())?.value)
    expect(await text()).toBe(': beat\n\n')
    await map(contextOf(store), seeded.billing.id, 'void')
    let seen = ''
    while (!seen.includes('event: change')) seen += await text()
    await reader?.cancel()
    await close()
  })

  test('a subscriber that does not read is dropped, and holds no memory meanwhile', async () => {
    feed.close()
    feed = openFeed(store, { beatMs: 20, stallMs: 100 })
    const { send, close } = await listen()
    const point = await startPoint(send, seeded.serverKey)
    const { revision } = await point.snapshot(CATALOGUE)
    const response = await point.send(`/feed/changes?from=catalogue.${revision}`)
    const schema = { type: 'object', description: 'x'.repeat(200_000) }
    for (let n = 0; n < 60; n++) await map(contextOf(store), seeded.billing.id, `tool-${n}`, schema)
    await new Promise(resolve => setTimeout(resolve, 400))
    await expect(new Response(response.body).text()).rejects.toThrow()
    await close()
  })
})
