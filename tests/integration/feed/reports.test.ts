import { KeyObject } from 'node:crypto'
import { compactDecrypt } from 'jose'
import { describe, expect, test } from 'vitest'
import { CATALOGUE, type CallRecord, type Shipment } from '../../../packages/sdk/src/core/index.ts'
import { setUpstreamCredential } from '../../../packages/server/src/directory/index.ts'
import { attempt, outcome } from '../../storage/audit-samples.ts'
import {
  contextOf,
  type FeedPoint,
  type Keys,
  newKeys,
  sendTo,
  startPoint,
} from '../../storage/feed-stand.ts'
import { toShipments } from '../../storage/shipping.ts'
import { codeOf, standFeed } from './stand.ts'

const stand = standFeed()

describe('what points report', () => {
  const ship = async (point: FeedPoint, keys: Keys, records: readonly CallRecord[]) =>
    point.post('/feed/records', {
      shipments: toShipments(point.id, KeyObject.from(keys.privateKey), records),
    })
  const made = async () => {
    const keys = await newKeys()
    return { keys, point: await stand.start(keys) }
  }

  test('records go on under the point and start of the session', async () => {
    const keys = await newKeys()
    await stand.start(keys)
    const point = await stand.start(keys)
    const records = [
      attempt(4, { server: stand.seeded.billing.id }),
      outcome(5, 'dec_4'),
      attempt(1, { server: stand.seeded.billing.id, organization: null }, 2),
    ]
    expect(await (await ship(point, keys, records)).json()).toEqual({ accepted: 3 })
    expect(stand.ingested).toEqual([{ point: point.id, epoch: 2, count: 3 }])
  })

  test('point.forged: records of a start that has not happened, or of another server, are refused whole', async () => {
    const { keys, point } = await made()
    const own = attempt(1, { server: stand.seeded.billing.id })
    for (const forged of [
      attempt(2, { server: stand.seeded.billing.id }, 2),
      attempt(2, { server: stand.seeded.crm.id }),
    ])
      expect(await codeOf(await ship(point, keys, [own, forged]))).toEqual([403, 'point.forged'])
    expect(stand.ingested).toEqual([])
  })

  test('point.forged: a shipment under another key, of another point, or changed on the way', async () => {
    const { keys, point } = await made()
    const records = [
      attempt(1, { server: stand.seeded.billing.id }),
      attempt(2, { server: stand.seeded.billing.id }),
    ]
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
      { ...good, records: [{ ...first, data: '{"arguments":{"customer":"other"}}' }, second] as never },
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
    expect(stand.ingested).toEqual([])
    expect((await point.post('/feed/records', { shipments: [good] })).status).toBe(200)
  })

  test('what callers name their arguments is taken as it was written, however a parser reads it', async () => {
    const { keys, point } = await made()
    const argued = (n: number, name: string) =>
      attempt(n, { server: stand.seeded.billing.id, arguments: { '': '', [name]: '' } })
    // V8 that has read the first of each pair may read the second one as the first.
    const names = ['\\', '\n', 'a\\', 'a\n', '\\', '"', '__proto__']
    for (const [i, name] of names.entries())
      expect((await ship(point, keys, [argued(i + 1, name)])).status).toBe(200)
  })

  test('what comes with a record is a JSON object in one line', async () => {
    const { keys, point } = await made()
    const [good] = toShipments(point.id, KeyObject.from(keys.privateKey), [
      attempt(1, { server: stand.seeded.billing.id }),
    ])
    for (const data of ['', '[]', '"text"', '{', '{\n}', '{"a":\t1}']) {
      const records = good?.records.map(record => ({ ...record, data })) ?? []
      const answer = await point.post('/feed/records', { shipments: [{ ...good, records } as never] })
      expect(await codeOf(answer)).toEqual([400, 'request.invalid'])
    }
  })

  test('what is not JSON, not a record or too large is refused', async () => {
    const point = await stand.start()
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
    const point = await stand.start()
    const { revision } = await point.snapshot(CATALOGUE)
    const seen = { kind: 'tool', name: 'refund', description: 'Refunds.', annotations: null }
    const send = (definition: string) =>
      point.post('/feed/definitions', {
        definitions: [{ ...seen, definition, inputSchema: { type: 'object' } }],
      })
    expect((await send('sha256-a')).status).toBe(200)
    expect((await send('sha256-b')).status).toBe(200)
    const rows = await stand.store.db.selectFrom('seenDefinition').selectAll().execute()
    expect(rows).toMatchObject([
      { serverId: stand.seeded.billing.id, name: 'refund', definition: 'sha256-b' },
    ])
    expect((await point.snapshot(CATALOGUE)).revision).toBe(revision)
  })

  test('only a gateway is given the upstream credential, encrypted to its sealing key', async () => {
    const ctx = contextOf(stand.store)
    const sealing = await newKeys('ECDH-ES')
    const gateway = await startPoint(sendTo(stand.feed), stand.seeded.serverKey, undefined, {
      kind: 'gateway',
      sealingJwk: sealing.publicJwk,
    })
    const ask = async () =>
      ((await (await gateway.send('/feed/upstream-credential')).json()) as { jwe: string | null }).jwe
    expect(await ask()).toBeNull()
    await setUpstreamCredential(ctx, {
      id: stand.seeded.billing.id,
      header: 'x-api-key',
      value: 'upstream-secret',
    })
    const { plaintext } = await compactDecrypt((await ask()) ?? '', sealing.privateKey)
    expect(JSON.parse(new TextDecoder().decode(plaintext))).toEqual({
      header: 'x-api-key',
      value: 'upstream-secret',
    })
    expect(await codeOf(await (await stand.start()).send('/feed/upstream-credential'))).toEqual([
      403,
      'permission.denied',
    ])
  })

  test('the catalogue that a point holds says nothing of the upstream credential', async () => {
    const point = await stand.start()
    await setUpstreamCredential(contextOf(stand.store), {
      id: stand.seeded.billing.id,
      header: 'x',
      value: 'hush-hush',
    })
    const facts = await point.snapshot(CATALOGUE)
    expect(JSON.stringify(facts)).not.toMatch(/upstream|hush-hush/)
  })
})
