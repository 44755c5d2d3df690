import { createBundleVerifier, parseTrust } from '@valetkey/sdk/evidence'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { KIND } from '../../packages/server/src/audit/entry.ts'
import { record } from '../../packages/server/src/audit/index.ts'
import { openPostgresLedger } from '../../packages/server/src/audit/postgres/ledger.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { type Evidence, NOW, openEvidence, openTestAudit } from './audit-evidence.ts'
import { attempt, insertNames, outcome } from './audit-samples.ts'
import { describeOnBoth, freshDatabase, MASTER_KEY } from './databases.ts'
import { ship } from './shipping.ts'

const DAY_MS = 24 * 3_600_000
const daysAgo = (days: number, minutes = 0) => new Date(NOW - days * DAY_MS + minutes * 60_000).toISOString()

/** Calls of two organizations over 60 days, one a day each, with outcomes; every third of Northwind's for Jon. */
async function shipDays({ audit }: Evidence) {
  const calls = ['org_nw', 'org_other'].flatMap((organization, which) =>
    Array.from({ length: 60 }, (_, i) => {
      const [counter, days] = [2 * (which * 60 + i) + 1, 60 - i]
      const id = `dec_${organization}_${days}`
      const person = organization === 'org_nw' && days % 3 === 0 ? 'usr_jon' : null
      return [
        attempt(counter, { id, organization, person, at: daysAgo(days), arguments: { day: `d${days}` } }),
        outcome(counter + 1, id, { organization, at: daysAgo(days, 1) }),
      ]
    }),
  )
  for (let from = 0; from < calls.length; from += 12)
    await ship(audit, 'pnt_1', 1, calls.slice(from, from + 12).flat())
}

const keep = (audit: Evidence['audit'], days: number | null, records: 'calls' | 'changes' = 'calls') =>
  audit.retention.set({ organization: 'northwind', records, days }, 'usr_maya')

describeOnBoth('evidence is kept for as long as is said', (open, place) => {
  const start = () => openEvidence(open, place)

  test('calls of an organization go after their time, others stay; all that stays can still be proved', async () => {
    await using evidence = await start()
    const { audit } = evidence
    await shipDays(evidence)
    await audit.flush()
    const before = await exported(evidence)
    expect(before.text).toContain('dec_org_nw_31')
    await keep(audit, 30)
    // 31 to 60 days ago, and what became of them.
    expect(await audit.retention.expire()).toBe(60)
    expect(await audit.retention.expire()).toBe(0)
    const found = await evidence.all({ organization: 'northwind' })
    expect(found).toEqual(Array.from({ length: 30 }, (_, i) => `dec_org_nw_${i + 1}`))
    expect(await evidence.all({ organization: 'org_other' })).toHaveLength(60)
    expect(await evidence.all({ q: '"d45"' })).toEqual(['dec_org_other_45'])
    await expect(audit.get('dec_org_nw_31')).rejects.toMatchObject({ code: 'not_found' })
    expect(await audit.get('dec_org_nw_30')).toMatchObject({ outcome: 'ok' })
    const { rows } = await audit.who({ organization: 'northwind' })
    expect(rows.reduce((sum, row) => sum + row.permitted, 0)).toBe(30)

    const after = await exported(evidence)
    expect(after.report).toMatchObject({ pruned: 60, findings: before.report.findings })
    expect(before.report).toMatchObject({ pruned: 0 })
    expect(after.text).not.toContain('dec_org_nw_31')
    const { receipt, index, size } = await audit.proof.receipt('dec_org_nw_30')
    expect(receipt).toContain('c2sp.org/tlog-proof@v1')
    expect(size).toBeGreaterThan(index)
    await audit.flush()
    const { items } = await audit.changes({ type: 'evidence.expired', limit: 10 })
    expect(items).toMatchObject([{ organization: 'org_nw', detail: { records: 'calls', count: 60 } }])
  })

  test('a hold keeps everything of an organization, or what is about one person, until it is released', async () => {
    await using evidence = await start()
    const { audit } = evidence
    await shipDays(evidence)
    await keep(audit, 30)
    const all = await audit.retention.hold({ organization: 'northwind', reason: 'case 7' }, 'usr_maya')
    expect(await audit.retention.expire()).toBe(0)
    await expect(
      audit.proof.erase(
        { organization: 'northwind', resource: 'customer/acme', reason: 'asked' },
        'usr_maya',
      ),
    ).rejects.toMatchObject({ code: 'conflict.state', message: expect.stringContaining('case 7') })
    const one = await audit.retention.hold(
      { organization: 'northwind', person: 'usr_jon', reason: 'case 8' },
      'usr_maya',
    )
    await audit.retention.release({ id: all.id, reason: 'settled' }, 'usr_maya')
    expect(await audit.retention.expire()).toBe(40)
    const jons = await evidence.all({ organization: 'northwind', until: daysAgo(30) })
    expect(jons).toEqual([33, 36, 39, 42, 45, 48, 51, 54, 57, 60].map(days => `dec_org_nw_${days}`))
    expect(await audit.get('dec_org_nw_60')).toMatchObject({ outcome: 'ok', person: 'usr_jon' })
    await audit.retention.release({ id: one.id, reason: 'settled' }, 'usr_maya')
    expect(await audit.retention.expire()).toBe(20)
    await expect(audit.retention.release({ id: one.id, reason: 'again' }, 'usr_maya')).rejects.toMatchObject({
      code: 'not_found',
    })
    const released = { releasedAt: expect.any(String) }
    const { items } = await audit.retention.holds({ organization: 'northwind' })
    expect(items).toHaveLength(2)
    expect(items).toContainEqual(expect.objectContaining({ id: all.id, person: null, ...released }))
    expect(items).toContainEqual(expect.objectContaining({ id: one.id, person: 'usr_jon', ...released }))
  })

  test('what is held of one person is not erased by what another one asks for; nor is a record of another organization', async () => {
    await using evidence = await start()
    const { audit } = evidence
    await ship(audit, 'pnt_1', 1, [attempt(1, { id: 'dec_1', person: 'usr_jon', owner: 'usr_maya' })])
    const one = await audit.retention.hold(
      { organization: 'northwind', person: 'usr_maya', reason: 'case 9' },
      'usr_maya',
    )
    const wish = { organization: 'northwind', person: 'usr_jon', reason: 'asked' }
    await expect(audit.proof.erase(wish, 'usr_maya')).rejects.toMatchObject({
      code: 'conflict.state',
      message: expect.stringContaining('case 9'),
    })
    expect(await audit.get('dec_1')).toMatchObject({ isErased: false })
    await audit.retention.release({ id: one.id, reason: 'settled' }, 'usr_maya')
    const elsewhere = { organization: 'org_other', record: 'dec_1', reason: 'asked' }
    expect(await audit.proof.erase(elsewhere, 'usr_maya')).toEqual({ erased: 0, ids: [] })
    expect(await audit.get('dec_1')).toMatchObject({ isErased: false })
    expect(await audit.proof.erase(wish, 'usr_maya')).toEqual({ erased: 1, ids: ['dec_1'] })
  })

  test('changes have a time of their own, and what comes late is taken in and goes with the next round', async () => {
    await using evidence = await start()
    const { audit, store } = evidence
    await shipDays(evidence)
    const change = (target: string, days: number) =>
      store.write(tx =>
        record(
          tx,
          { organization: 'org_nw', type: 'agent.suspended', actor: 'usr_maya', target },
          NOW - days * DAY_MS,
        ),
      )
    await change('agt_old', 40)
    await change('agt_new', 4)
    await audit.flush()
    await keep(audit, 20, 'changes')
    expect(await audit.retention.expire()).toBe(1)
    const suspended = (await audit.changes({ type: 'agent.suspended', limit: 10 })).items.map(
      ({ target }) => target,
    )
    expect(suspended).toEqual(['agt_new'])
    await keep(audit, 10)
    await keep(audit, null, 'changes')
    expect(await audit.retention.expire()).toBe(100)
    expect((await audit.retention.list({ organization: 'northwind' })).items).toMatchObject([
      { records: 'calls', days: 10 },
    ])
    // Of another organization there are calls in the same weeks; of this point one was held back all the time.
    const late = attempt(9001, { id: 'dec_late', at: daysAgo(55) })
    expect(await ship(audit, 'pnt_1', 1, [late])).toMatchObject({ accepted: 1, conflicts: 0 })
    expect(await evidence.all({ organization: 'northwind', until: daysAgo(50) })).toEqual(['dec_late'])
    expect(await audit.retention.expire()).toBe(1)
  })

  test('weeks and segments that are over hold nothing any more, and take late records all the same', async () => {
    await using evidence = await start()
    const { audit } = evidence
    await ship(
      audit,
      'pnt_1',
      1,
      Array.from({ length: 60 }, (_, i) => attempt(i + 1, { at: daysAgo(60 - i) })),
    )
    await keep(audit, 7)
    expect(await audit.retention.expire()).toBe(53)
    expect(await evidence.all()).toHaveLength(7)
    const late = attempt(61, { id: 'dec_late', at: daysAgo(58) })
    expect(await ship(audit, 'pnt_1', 1, [late])).toMatchObject({ accepted: 1 })
    expect(await evidence.all({ until: daysAgo(50) })).toEqual(['dec_late'])
  })
})

/** The log of Northwind, exported whole, and what a verifier finds in it. */
async function exported({ audit }: Evidence) {
  let text = ''
  for await (const piece of await audit.proof.export({ organization: 'northwind' } as never, 'usr_maya'))
    text += piece
  const verifier = createBundleVerifier({ trust: parseTrust(audit.logs.trust()) })
  verifier.push(Buffer.from(text))
  return { text, report: verifier.end() }
}

test('a hold that another node has placed meanwhile is heeded, and is placed once nothing is going any more', async () => {
  const url = await freshDatabase()
  const [here, there] = [
    await openStore({ url, masterKey: MASTER_KEY }),
    await openStore({ url, masterKey: MASTER_KEY }),
  ]
  await insertNames(here)
  const audit = await openTestAudit(here, { kind: 'postgres', dialect: 'postgres', newUrl: async () => url })
  await ship(
    audit,
    'pnt_1',
    1,
    [1, 2, 3].map(counter => attempt(counter)),
  )
  const ledger = await openPostgresLedger(there, { secret: there.instanceId, now: () => NOW })
  const expiry = {
    ...{ log: 'org_nw', kinds: [KIND.attempt], held: [], holds: [] },
    before: Date.parse(attempt(3).at),
  }
  // Something goes on the other node, and is not committed yet.
  const [going, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const portion = there.write(async tx => {
    await ledger.standStill(tx)
    going.resolve()
    await letGo.promise
  })
  await going.promise
  let isHeld = false
  const holding = audit.retention
    .hold({ organization: 'northwind', reason: 'a case' }, 'usr_maya')
    .finally(() => {
      isHeld = true
    })
  const waiting = async () => {
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`.execute(
      here.db,
    )
    return Number(rows[0]?.count)
  }
  await expect.poll(waiting, { timeout: 10_000 }).toBe(1)
  expect(isHeld).toBe(false)
  letGo.resolve()
  await portion
  const { id } = await holding
  // What had been begun before knows nothing of it, and lets nothing go all the same.
  expect(await ledger.expire([expiry])).toBe(0)
  await audit.retention.release({ id, reason: 'settled' }, 'usr_maya')
  expect(await ledger.expire([expiry])).toBe(2)
  await audit.close()
  await here.close()
  await there.close()
})
