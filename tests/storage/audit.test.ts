import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { auditHandlers, openAudit, record } from '../../packages/server/src/audit/index.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { verify } from '../integration/evidence-stage.ts'
import { NOW, openEvidence, openTestAudit } from './audit-evidence.ts'
import { attempt, insertNames, outcome, refusal } from './audit-samples.ts'
import { describeOnBoth, freshDirectory, MASTER_KEY } from './databases.ts'
import { ship } from './shipping.ts'

describeOnBoth('evidence is kept', (open, place) => {
  const start = () => openEvidence(open, place)

  test('a record is stored once, however often and however cut its batch comes', async () => {
    await using evidence = await start()
    const { audit } = evidence
    const records = Array.from({ length: 30 }, (_, index) => attempt(index + 1))
    expect(await ship(audit, 'pnt_1', 1, records)).toMatchObject({ accepted: 30, repeated: 0, counter: 30 })
    expect(await ship(audit, 'pnt_1', 1, records.slice(20))).toMatchObject({ accepted: 0, repeated: 10 })
    expect(await ship(audit, 'pnt_1', 1, [...records, ...records])).toMatchObject({ repeated: 60 })
    expect(await evidence.all()).toEqual(records.map(({ id }) => id).reverse())
    expect(await audit.figures()).toMatchObject({ accepted: 30, repeated: 70, conflicts: 0, missing: 0 })
  })

  test('two shipments of the same records at the same moment store them once', async () => {
    await using evidence = await start()
    const records = Array.from({ length: 50 }, (_, index) => attempt(index + 1))
    const results = await Promise.all(
      [0, 10, 0, 20].map(from => ship(evidence.audit, 'pnt_1', 1, records.slice(from))),
    )
    expect(results.map(({ accepted }) => accepted).reduce((a, b) => a + b)).toBe(50)
    expect(await evidence.all()).toHaveLength(50)
    expect(await evidence.audit.figures()).toMatchObject({ conflicts: 0, missing: 0 })
  })

  test('a gap in the numbers is counted, shown on the enforcement point, and healed by the records that fill it', async () => {
    await using evidence = await start()
    const { audit, store } = evidence
    const onPoint = () =>
      store.db.selectFrom('enforcementPoint').select(['recordCounter', 'recordGaps']).executeTakeFirst()
    expect(await ship(audit, 'pnt_1', 1, [attempt(1), attempt(5), attempt(9)])).toMatchObject({
      counter: 1,
      missing: 6,
    })
    await audit.flush()
    expect(await onPoint()).toEqual({ recordCounter: 1, recordGaps: 6 })
    expect(await ship(audit, 'pnt_1', 1, [attempt(7), attempt(2)])).toMatchObject({ counter: 2, missing: 4 })
    await ship(
      audit,
      'pnt_1',
      1,
      [3, 4, 6, 8].map(counter => attempt(counter)),
    )
    await audit.flush()
    expect(await onPoint()).toEqual({ recordCounter: 9, recordGaps: 0 })
    expect(await audit.figures()).toMatchObject({ missing: 0 })
  })

  test('what an earlier start left behind is numbered on its own, and its gaps stay counted', async () => {
    await using evidence = await start()
    const left = [attempt(1, { id: 'dec_a' }), attempt(3, { id: 'dec_b' })]
    const later = [attempt(1, { id: 'dec_c' }, 2)]
    expect(await ship(evidence.audit, 'pnt_1', 2, [...left, ...later])).toMatchObject({
      accepted: 3,
      counter: 1,
      missing: 1,
    })
    await expect(ship(evidence.audit, 'pnt_1', 2, [attempt(1, {}, 3)])).rejects.toMatchObject({
      code: 'point.forged',
    })
  })

  test('every order and cut of shipments ends with the same records and no gap', async () => {
    await using evidence = await start()
    const numbers = Array.from({ length: 12 }, (_, index) => index + 1)
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(numbers, { minLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 5 })),
        async (order, cuts) => {
          const point = `pnt_run${++run}`
          const records = order.map(counter => attempt(counter, { id: `dec_${run}_${counter}` }))
          let last: unknown
          for (let from = 0, cut = 0; from < records.length; cut++) {
            const size = cuts[cut] ?? 4
            last = await ship(evidence.audit, point, 1, records.slice(from, from + size))
            from += size
          }
          expect(last).toMatchObject({ counter: 12, missing: 0, conflicts: 0 })
        },
      ),
      { numRuns: 40 },
    )
  })

  test('a second record under a known id or number is refused, and the refusal is on record once', async () => {
    await using evidence = await start()
    const { audit } = evidence
    const first = attempt(1)
    await ship(audit, 'pnt_1', 1, [first])
    const forged = [
      attempt(1, { tool: 'wipe' }),
      attempt(2, { id: first.id, tool: 'wipe' }),
      attempt(1, { id: 'dec_other' }),
    ]
    expect(await ship(audit, 'pnt_1', 1, forged)).toMatchObject({ accepted: 0, conflicts: 3, counter: 2 })
    expect(await ship(audit, 'pnt_1', 1, forged)).toMatchObject({ conflicts: 3 })
    expect((await audit.get(first.id)).tool).toBe('get_invoice')
    await expect(audit.get('dec_other')).rejects.toMatchObject({ code: 'not_found' })
    const { items } = await audit.changes({ limit: 50, type: 'record.conflict' })
    expect(items).toHaveLength(3)
    expect(items[0]).toMatchObject({ actor: 'pnt_1', detail: { kind: 'attempt', epoch: 1 } })
  })

  test('an id used twice in one batch keeps the first content', async () => {
    await using evidence = await start()
    const batch = [attempt(1), attempt(2, { id: attempt(1).id, tool: 'wipe' })]
    expect(await ship(evidence.audit, 'pnt_1', 1, batch)).toMatchObject({ accepted: 1, conflicts: 1 })
    expect((await evidence.audit.get(attempt(1).id)).tool).toBe('get_invoice')
  })

  test('an outcome joins its attempt, before or after it, and only from the point that decided', async () => {
    await using evidence = await start()
    const { audit } = evidence
    const [first, second] = [attempt(1), attempt(4)]
    await ship(audit, 'pnt_1', 1, [first, outcome(2, first.id), outcome(5, second.id)])
    await ship(audit, 'pnt_2', 1, [outcome(1, second.id, { outcome: 'cancelled' })])
    await ship(audit, 'pnt_1', 1, [second])
    expect(await audit.get(first.id)).toMatchObject({ outcome: 'ok', durationMs: 12.5, point: 'pnt_1' })
    expect(await audit.get(second.id)).toMatchObject({ outcome: 'ok' })
    await ship(audit, 'pnt_1', 1, [attempt(3)])
    expect(await audit.get(attempt(3).id)).toMatchObject({ outcome: null, durationMs: null })
  })

  test('hostile content is kept as it came, found, and harmless in sentences', async () => {
    await using evidence = await start()
    const nasty = '\u0000\u001b[2J\r\n\u202e\ud800 "\'%_\\'
    const records = [
      attempt(1, {
        agentName: nasty,
        tool: nasty,
        resource: `customer/${nasty}`,
        arguments: { text: nasty, big: 'x'.repeat(10_000_000) },
      }),
      attempt(2, {
        resource: `customer/${'é'.repeat(5000)}/below`,
        tool: 't'.repeat(100_000),
        agent: 'a'.repeat(9000),
      }),
      refusal(3, { reason: nasty, detail: nasty, at: 'yesterday' }),
      attempt(4, { at: '+275760-09-13T00:00:00.000Z' }),
      attempt(5, {
        at: '-271821-04-20T00:00:00.000Z',
        revision: { catalogue: 2 ** 53 - 1, organization: 0 },
      }),
    ]
    expect(await ship(evidence.audit, 'pnt_1', 1, records)).toMatchObject({ accepted: 5 })
    expect(await ship(evidence.audit, 'pnt_1', 1, records)).toMatchObject({ repeated: 5, conflicts: 0 })
    for (const sent of records) expect(await evidence.audit.get(sent.id)).toMatchObject(sent)
    expect(await evidence.all({ tool: nasty })).toEqual([attempt(1).id])
    expect(await evidence.all({ resource: 'customer', reason: 'permitted' })).toHaveLength(4)
    const answers = [
      (await evidence.audit.who({})).sentence,
      (await auditHandlers(evidence.audit).decisions.get(evidence, { id: attempt(1).id })).sentence,
      (await auditHandlers(evidence.audit).decisions.get(evidence, { id: attempt(3).id })).sentence,
    ]
    for (const sentence of answers) expect(sentence).not.toMatch(/[\p{Cc}\u202e]/u)
    // And it can be proved: no character of a record makes two lines or fields of one.
    await evidence.audit.flush()
    const pieces: string[] = []
    const whole = { organization: 'northwind' }
    for await (const piece of await evidence.audit.proof.export(whole, 'tok_1')) pieces.push(piece)
    expect(verify(pieces.join(''), evidence.audit.logs.trust()).findings).toEqual([])
  })

  test('a recorded change is found in the evidence and leaves the facts, also when the move is cut short', async () => {
    await using evidence = await start()
    const { store, audit } = evidence
    const change = (target: string, time: number) =>
      store.write(tx =>
        record(tx, { organization: 'org_nw', type: 'agent.suspended', actor: 'usr_maya', target }, time),
      )
    for (let n = 0; n < 30; n++) await change(`agt_${n}`, NOW + n)
    const rows = await store.db.selectFrom('auditOutbox').selectAll().execute()
    await audit.flush()
    expect(await audit.figures()).toMatchObject({ outbox: 0 })
    // A kill after the append and before the delete leaves the rows in both.
    if (rows.length > 0)
      await store.write(tx => tx.insertInto('auditOutbox').values(rows.slice(0, 20)).execute())
    await audit.flush()
    const first = await audit.changes({ limit: 20, organization: 'northwind' })
    const second = await audit.changes({ limit: 20, organization: 'northwind', cursor: first.next ?? '' })
    const targets = [...first.items, ...second.items].map(({ target }) => target)
    expect(targets).toEqual(Array.from({ length: 30 }, (_, n) => `agt_${29 - n}`))
    expect(second.next).toBeNull()
    for (const query of [{ actor: 'maya@northwind.dev' }, { actor: 'usr_maya' }, { type: 'agent.suspended' }])
      expect((await audit.changes({ limit: 200, ...query })).items).toHaveLength(30)
    expect((await audit.changes({ limit: 5, target: 'agt_7' })).items).toHaveLength(1)
    expect((await audit.changes({ limit: 5, organization: 'catalogue' })).items).toEqual([])
  })

  test('closing moves what is still in the outbox, and what another process left is moved at the start', async () => {
    const store = await open()
    const change = (target: string) =>
      store.write(tx => record(tx, { organization: null, type: 'role.created', actor: 'tok_1', target }, NOW))
    await change('rol_1')
    const audit = await openTestAudit(store, place)
    await change('rol_2')
    await audit.close()
    expect(await store.db.selectFrom('auditOutbox').selectAll().execute()).toEqual([])
  })
})

test('a disk that fills refuses with audit.unavailable; what was acknowledged is there, and signed once there is room', async () => {
  const script = join(import.meta.dirname, 'audit-full-disk.ts')
  const directory = freshDirectory()
  const url = `sqlite:${join(directory, 'valetkey.db')}`
  const path = join(directory, 'audit', 'evidence.db')
  const prepared = await openStore({ url, masterKey: MASTER_KEY })
  await insertNames(prepared)
  await prepared.close()
  // There is no room left either to remember what is signed.
  mkdirSync(dirname(path))
  writeFileSync(join(dirname(path), 'checkpoints'), `${'x'.repeat(1_023_990)}\n`)
  // A limit on the size of files, in KiB, is what any user can set; writing past it fails as on a full disk.
  const limited = ['-c', 'ulimit -f 1000; exec "$0" "$@"', process.execPath, script, url, path]
  const output = execFileSync('bash', limited)
  const { acknowledged, found, errors, sealErrors } = JSON.parse(output.toString())
  expect(errors).toEqual(['audit.unavailable', 'audit.unavailable', 'audit.unavailable'])
  expect(sealErrors.length).toBeGreaterThan(0)
  expect(new Set(sealErrors)).toEqual(new Set(['audit.unavailable']))
  expect(acknowledged).toBeGreaterThan(0)
  expect(found).toBe(acknowledged)
  const store = await openStore({ url, masterKey: MASTER_KEY })
  const audit = await openAudit({ store, path, origin: 'auth.test/log', now: () => NOW })
  await audit.flush()
  const pieces: string[] = []
  for await (const piece of await audit.proof.export({ organization: 'northwind' }, 'tok_1'))
    pieces.push(piece)
  const report = verify(pieces.join(''), audit.logs.trust())
  expect(report.findings).toEqual([])
  expect(pieces.join('').match(/"type":"attempt"/g)).toHaveLength(acknowledged)
  await audit.close()
  await store.close()
})
