import { describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../../packages/sdk/src/core/index.ts'
import { openStore } from '../../../packages/server/src/store/index.ts'
import { addAgent, contextOf, newKeys } from '../../storage/feed-stand.ts'
import { standFeed } from './stand.ts'

const stand = standFeed()

describe('leases and barriers', () => {
  test('a renewal names the heads of all that the point holds, and no more', async () => {
    const point = await stand.start()
    const catalogue = await point.snapshot(CATALOGUE)
    expect(await point.lease({ catalogue: catalogue.revision })).toMatchObject({
      leaseMs: 300,
      heads: { catalogue: catalogue.revision },
    })
    const shard = await point.snapshot(stand.seeded.organization)
    const { heads } = await point.lease({ catalogue: catalogue.revision, org_unknown: 3 })
    expect(heads).toEqual({ catalogue: catalogue.revision, [stand.seeded.organization]: shard.revision })
    const after = await point.lease({ catalogue: catalogue.revision }, [stand.seeded.organization])
    expect(after.heads).toEqual({ catalogue: catalogue.revision })
  })

  test('no lease is renewed where the heads cannot be read', async () => {
    const point = await stand.start()
    await point.snapshot(CATALOGUE)
    await stand.store.close()
    const response = await point.post('/feed/lease', { applied: {} })
    expect(response.status).toBeGreaterThanOrEqual(500)
    stand.store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(1) })
  })

  test('a barrier is complete once every point has acknowledged', async () => {
    const { organization, owner } = stand.seeded
    const [one, two] = [await stand.start(), await stand.start()]
    for (const point of [one, two]) {
      const { revision } = await point.snapshot(organization)
      await point.lease({ [organization]: revision })
    }
    await addAgent(contextOf(stand.store), organization, owner, 'newcomer')
    const { revision } = await one.snapshot(organization)
    const waiting = stand.feed.barrier(organization, revision, 250)
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
    const { organization, owner } = stand.seeded
    const point = await stand.start()
    const { revision } = await point.snapshot(organization)
    await point.lease({ [organization]: revision })
    await addAgent(contextOf(stand.store), organization, owner, 'newcomer')
    const early = await stand.feed.barrier(organization, revision + 1, 50)
    expect(early).toMatchObject({ complete: false, points: [{ id: point.id, outcome: 'waiting' }] })
    const late = await stand.feed.barrier(organization, revision + 1, 2_000)
    expect(late).toMatchObject({ complete: true, points: [{ id: point.id, outcome: 'lease_ended' }] })
    expect(late.elapsedMs).toBeLessThan(400)
  })

  test('an earlier start that still has a lease holds a barrier up too', async () => {
    const { organization, owner } = stand.seeded
    const keys = await newKeys()
    const earlier = await stand.start(keys)
    const { revision } = await earlier.snapshot(organization)
    await earlier.lease({ [organization]: revision })
    await stand.start(keys)
    await addAgent(contextOf(stand.store), organization, owner, 'newcomer')
    expect((await stand.feed.barrier(organization, revision + 1, 30)).complete).toBe(false)
    expect((await stand.feed.barrier(organization, revision + 1, 2_000)).complete).toBe(true)
  })

  test('a point that has left is not waited for', async () => {
    const { organization, owner } = stand.seeded
    const point = await stand.start()
    const { revision } = await point.snapshot(organization)
    await point.lease({ [organization]: revision })
    await point.post('/feed/leave', {})
    await addAgent(contextOf(stand.store), organization, owner, 'newcomer')
    expect((await stand.feed.barrier(organization, revision + 1, 0)).complete).toBe(true)
  })

  test('a point that does not hold the organization is not waited for', async () => {
    const point = await stand.start()
    const { revision } = await point.snapshot(CATALOGUE)
    await point.lease({ catalogue: revision })
    expect(await stand.feed.barrier(stand.seeded.organization, 999, 0)).toMatchObject({
      complete: true,
      points: [],
    })
  })
})
