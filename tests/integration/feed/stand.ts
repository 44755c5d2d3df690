import { afterEach, beforeEach } from 'vitest'
import type { Feed } from '../../../packages/server/src/feed/index.ts'
import { openStore, type Store } from '../../../packages/server/src/store/index.ts'
import {
  contextOf,
  type FeedPoint,
  type Keys,
  openFeed,
  type Seeded,
  seed,
  sendTo,
  startPoint,
} from '../../storage/feed-stand.ts'

interface Stand {
  store: Store
  feed: Feed
  seeded: Seeded
  /** What was taken in as records, and under which point and start. */
  ingested: { point: string; epoch: number; count: number }[]
  /** A point that has registered. */
  start(keys?: Keys): Promise<FeedPoint>
}

/** A feed of short leases over a database in memory, anew for each test. */
export function standFeed(): Stand {
  const stand = {} as Stand
  beforeEach(async () => {
    const store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(1) })
    const ingested: Stand['ingested'] = []
    const feed = openFeed(store, {
      leaseMs: 300,
      beatMs: 50,
      audit: {
        async ingest(point, epoch, shipments) {
          const count = shipments.reduce((sum, { records }) => sum + records.length, 0)
          ingested.push({ point, epoch, count })
        },
      },
    })
    const seeded = await seed(contextOf(store))
    const start = (keys?: Keys) => startPoint(sendTo(feed), seeded.serverKey, keys)
    Object.assign(stand, { store, feed, seeded, ingested, start } satisfies Stand)
  })
  afterEach(async () => {
    stand.feed.close()
    await stand.store.close()
  })
  return stand
}

/** The status of a refusal, and its code. */
export async function codeOf(response: Response): Promise<[number, string]> {
  const { code } = (await response.json()) as { code: string }
  return [response.status, code]
}
