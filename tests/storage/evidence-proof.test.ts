import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { packData, packEntries, unpackData, unpackEntries } from '../../packages/server/src/audit/bundle.ts'
import { KIND, toBatch } from '../../packages/server/src/audit/entry.ts'
import { openPostgresLedger } from '../../packages/server/src/audit/postgres/ledger.ts'
import { createTerms } from '../../packages/server/src/audit/terms.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { verify } from '../integration/evidence-stage.ts'
import { NOW, openEvidence } from './audit-evidence.ts'
import { attempt } from './audit-samples.ts'
import { describeOnBoth, freshDatabase, MASTER_KEY } from './databases.ts'
import { checkedShipments, ship } from './shipping.ts'

const note = (counter: number) => `what jane wrote in call ${counter}.`
const calls = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) =>
    attempt(first + i, {
      arguments: { note: note(first + i) },
      resource: (first + i) % 3 === 0 ? 'customer/jane' : 'customer/acme',
    }),
  )

describeOnBoth('what is proved', (open, place) => {
  // So many that some are in segments, some in a head that waits and some in the one that is written to.
  async function start() {
    const evidence = await openEvidence(open, place)
    for (let first = 1; first <= 120; first += 20) await ship(evidence.audit, 'pnt_1', 1, calls(first, 20))
    await evidence.audit.flush()
    const { audit } = evidence
    const bundle = async (query = {}) => {
      const pieces: string[] = []
      for await (const piece of await audit.proof.export({ organization: 'northwind', ...query }, 'tok_1'))
        pieces.push(piece)
      return pieces.join('')
    }
    return Object.assign(evidence, { bundle, trust: audit.logs.trust() })
  }

  test('a log is exported whole or by a question, and verifies with its public key alone', async () => {
    await using evidence = await start()
    expect(verify(await evidence.bundle(), evidence.trust)).toMatchObject({
      findings: [],
      entries: 127,
      shipments: 6,
    })
    const asked = verify(await evidence.bundle({ resource: 'customer/jane' }), evidence.trust)
    expect(asked).toMatchObject({ findings: [], entries: 40 })
    const { receipt } = await evidence.audit.proof.receipt(attempt(17).id)
    expect(receipt).toMatch(/^c2sp\.org\/tlog-proof@v1\nextra /)
  })

  test('what is erased is nowhere any more, stays erased, and leaves the log valid', async () => {
    await using evidence = await start()
    const before = await evidence.bundle()
    expect(before).toContain(note(3))
    const wish = { organization: 'northwind', resource: 'customer/jane', reason: 'her request' }
    expect(await evidence.audit.proof.erase(wish, 'usr_maya')).toMatchObject({ erased: 40 })
    for (const again of [1, 2]) {
      const after = await evidence.bundle()
      for (const { id } of calls(1, 120)) expect(after).toContain(id)
      for (let counter = 1; counter <= 120; counter++)
        expect(after.includes(note(counter)), `call ${counter}`).toBe(counter % 3 !== 0)
      expect(verify(after, evidence.trust), `${again}`).toMatchObject({ findings: [], erased: 40 })
      // Also after what is there was packed anew, and segments were built.
      for (let first = 121; first <= 620; first += 50)
        if (again === 1)
          await ship(
            evidence.audit,
            'pnt_1',
            1,
            calls(first, 50).map(call => ({ ...call, resource: 'customer/acme' })),
          )
      await evidence.audit.flush()
    }
    expect(await evidence.all({ text: note(3) })).toEqual([])
    expect(await evidence.audit.proof.erase(wish, 'usr_maya')).toEqual({ erased: 0, ids: [] })
  })
})

test('what is erased or has to go while another node packs it together is gone all the same', async () => {
  const store = await openStore({ url: await freshDatabase(), masterKey: MASTER_KEY })
  const ledger = await openPostgresLedger(store, { secret: store.instanceId, now: () => NOW })
  const shipments = (first: number) => checkedShipments('pnt_1', 1, calls(first, 4))
  for (const first of [1, 5])
    await ledger.ingest([
      toBatch({ point: 'pnt_1', epoch: 1, receivedAt: NOW }, shipments(first), createTerms('secret')),
    ])
  const log = (await ledger.logs(['org_nw'])).at(-1)?.id ?? 0
  const [holding, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  // Another node, in the middle of a growth: it has put both bundles into one, and not committed yet.
  const packing = store.write(async tx => {
    await sql`update audit_tree set size = size where log = ${log}`.execute(tx)
    const { rows } = await sql<{ count: number; entries: Buffer; data: Buffer }>`
      select count, entries, data from audit_bundle where log = ${log} order by first for update`.execute(tx)
    const entries = packEntries(rows.flatMap(row => unpackEntries(row.entries)))
    const data = packData(rows.flatMap(row => unpackData(row.data, row.count)))
    await sql`delete from audit_bundle where log = ${log}`.execute(tx)
    await sql`insert into audit_bundle (log, first, count, entries, data)
      values (${log}, 0, ${rows.reduce((sum, { count }) => sum + count, 0)}, ${entries}, ${data})`.execute(tx)
    holding.resolve()
    await letGo.promise
  })
  await holding.promise
  const erasing = ledger.erase({ log: 'org_nw', generation: 1, places: [[6, 1]] })
  const going = ledger.expire([
    { log: 'org_nw', kinds: [KIND.attempt], before: Date.parse(attempt(6).at), held: [], holds: [] },
  ])
  // Both wait for the other node by now.
  const waiting = async () => {
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
      store.db,
    )
    return Number(rows[0]?.count)
  }
  await expect.poll(waiting, { timeout: 10_000 }).toBe(2)
  letGo.resolve()
  await Promise.all([packing, erasing, going])
  const entries = await ledger.entries(log, 0, 10)
  expect(entries.map(({ data }) => data !== null)).toEqual([
    ...[false, false, false, false, false],
    ...[false, false, true, true, false],
  ])
  expect(entries.map(({ entry }) => 'leaf' in entry)).toEqual([
    ...[false, false, false, false, true],
    ...[false, true, true, true, true],
  ])
  await ledger.close()
  await store.close()
})
