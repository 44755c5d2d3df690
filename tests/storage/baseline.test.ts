import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { openAudit } from '../../packages/server/src/audit/index.ts'
import { openBaseline } from '../../packages/server/src/baseline/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { attempt, insertNames } from './audit-samples.ts'
import { describeOnBoth, freshDirectory } from './databases.ts'
import { ship } from './shipping.ts'

const NOW = Date.UTC(2026, 8, 30, 12)
const DAY_MS = 86_400_000

/** Numbered calls of the support bot: `count` from `at` on, a minute apart. */
function calls(first: number, count: number, at: number, fields: Parameters<typeof attempt>[1] = {}) {
  return Array.from({ length: count }, (_, i) =>
    attempt(first + i, { at: new Date(at + i * 60_000).toISOString(), ...fields }),
  )
}

describeOnBoth('baseline', (open, place) => {
  const onDisk = place.kind === 'memory' ? () => undefined : test
  const closers: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })

  async function startNode(store: Store, path: string) {
    const faults: unknown[] = []
    const audit = await openAudit({ store, path, origin: 'auth.test/log', now: () => NOW, headRecords: 500 })
    const baseline = await openBaseline({
      ...{ store, audit, now: () => NOW, onFault: (fault: unknown) => faults.push(fault) },
      waitForPoints: async organization => ({
        organization,
        revision: 0,
        complete: true,
        elapsedMs: 0,
        points: [],
      }),
    })
    const stop = async () => {
      await baseline.close()
      await audit.close()
    }
    closers.push(stop)
    return {
      ...{ audit, baseline, faults },
      async stop() {
        closers.splice(closers.indexOf(stop), 1)
        await stop()
      },
    }
  }
  async function start() {
    const store = await open()
    await insertNames(store)
    const path = place.kind === 'memory' ? ':memory:' : join(freshDirectory(), 'audit', 'evidence.db')
    return { store, path, ...(await startNode(store, path)) }
  }
  const alertsOf = (store: Store) =>
    store.db.selectFrom('alert').select(['kind', 'what', 'records']).orderBy('id').execute()
  const profileOf = async (store: Store) => {
    const row = await store.db.selectFrom('agentProfile').select('profile').executeTakeFirst()
    return row && (JSON.parse(row.profile) as { calls: number })
  }
  const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 50 })

  test('what waits is seen, and a stop notes how far it came', async () => {
    const node = await start()
    await ship(node.audit, 'pnt_1', 1, calls(1, 30, NOW - DAY_MS))
    await node.baseline.wake()
    // The calls, and what the point vouched for them with.
    expect((await node.baseline.figures()).backlog).toBeGreaterThanOrEqual(31)
    await node.stop()
    expect(await profileOf(node.store)).toMatchObject({ calls: 30 })
  })

  onDisk('what was learned outlives a stop, and each change is told of once', async () => {
    const first = await start()
    await ship(first.audit, 'pnt_1', 1, calls(1, 100, NOW - 20 * DAY_MS))
    await ship(first.audit, 'pnt_1', 1, calls(101, 100, NOW - 10 * DAY_MS))
    await first.baseline.wake()
    expect(await alertsOf(first.store)).toEqual([])
    await first.stop()
    expect(await profileOf(first.store)).toMatchObject({ calls: 200 })
    const second = await startNode(first.store, first.path)
    await ship(second.audit, 'pnt_1', 1, calls(201, 1, NOW, { tool: 'delete_invoice' }))
    await second.baseline.wake()
    expect(await alertsOf(first.store)).toEqual([
      { kind: 'new_tool', what: '["srv_billing/delete_invoice"]', records: '["dec_00000201"]' },
    ])
    // Shipped again, since the answer was lost: it is the same record, and the same alert.
    await ship(second.audit, 'pnt_1', 1, calls(201, 1, NOW, { tool: 'delete_invoice' }))
    await second.stop()
    const third = await startNode(first.store, first.path)
    await third.baseline.wake()
    expect(await alertsOf(first.store)).toHaveLength(1)
    expect([...first.faults, ...second.faults, ...third.faults]).toEqual([])
  })

  onDisk(
    'what was observed and not noted when a node was killed is observed again, to the same end',
    async () => {
      const first = await start()
      await ship(first.audit, 'pnt_1', 1, calls(1, 150, NOW - 20 * DAY_MS))
      await first.baseline.wake()
      // Nothing to tell, so nothing was noted yet. A kill leaves it so: the other one begins where the notes end.
      expect(await profileOf(first.store)).toBeUndefined()
      await first.store.write(tx => tx.updateTable('evidenceFollower').set({ leaseUntil: 0 }).execute())
      const second = await startNode(
        first.store,
        place.kind === 'file' ? ':memory:' : join(freshDirectory(), 'evidence.db'),
      )
      if (place.kind === 'file') {
        await second.stop()
        return
      }
      await ship(second.audit, 'pnt_1', 1, calls(151, 1, NOW, { tool: 'delete_invoice' }))
      await until(async () => {
        await second.baseline.wake()
        expect(await alertsOf(first.store)).toHaveLength(1)
      })
      expect(await profileOf(first.store)).toMatchObject({ calls: 151 })
      // The first one has lost its turn, and writes nothing of what it knows.
      await ship(first.audit, 'pnt_1', 1, calls(152, 1, NOW, { tool: 'delete_customer' }))
      await until(async () => {
        await first.baseline.wake()
        await second.baseline.wake()
        expect(await alertsOf(first.store)).toHaveLength(2)
      })
      expect(await profileOf(first.store)).toMatchObject({ calls: 152 })
    },
  )
})
