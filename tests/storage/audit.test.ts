import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { AttemptRecord, CallRecord } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Audit, auditHandlers, openAudit, record } from '../../packages/server/src/audit/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { attempt, insertNames, outcome, refusal } from './audit-samples.ts'
import { describeOnBoth, freshDirectory } from './databases.ts'

const NOW = Date.UTC(2026, 8, 30)

interface Evidence extends AsyncDisposable {
  store: Store
  audit: Audit
  /** All that one question finds, page by page. */
  all(
    query?: Partial<Parameters<Audit['calls']>[0]>,
    betweenPages?: () => Promise<unknown>,
  ): Promise<string[]>
}

describeOnBoth('evidence', (open, place) => {
  async function openOver(store: Store): Promise<Audit> {
    const path = place.kind === 'file' ? join(freshDirectory(), 'audit.db') : ':memory:'
    return openAudit({ store, path, now: () => NOW })
  }
  async function start(): Promise<Evidence> {
    const store = await open()
    await insertNames(store)
    const audit = await openOver(store)
    return {
      store,
      audit,
      async all(query = {}, betweenPages = async () => undefined) {
        const ids: string[] = []
        let cursor: string | undefined
        do {
          const page = await audit.calls({ limit: 20, ...query, cursor })
          ids.push(...page.items.map(({ id }) => id))
          cursor = page.next ?? undefined
          await betweenPages()
        } while (cursor !== undefined)
        return ids
      },
      [Symbol.asyncDispose]: () => audit.close(),
    }
  }

  test('a record is stored once, however often and however cut its batch comes', async () => {
    await using evidence = await start()
    const { audit } = evidence
    const records = Array.from({ length: 30 }, (_, index) => attempt(index + 1))
    expect(await audit.ingest('pnt_1', 1, records)).toMatchObject({ accepted: 30, repeated: 0, counter: 30 })
    expect(await audit.ingest('pnt_1', 1, records.slice(20))).toMatchObject({ accepted: 0, repeated: 10 })
    expect(await audit.ingest('pnt_1', 1, [...records, ...records])).toMatchObject({ repeated: 60 })
    expect(await evidence.all()).toEqual(records.map(({ id }) => id).reverse())
    expect(await audit.figures()).toMatchObject({ accepted: 30, repeated: 70, conflicts: 0, missing: 0 })
  })

  test('two shipments of the same records at the same moment store them once', async () => {
    await using evidence = await start()
    const records = Array.from({ length: 50 }, (_, index) => attempt(index + 1))
    const results = await Promise.all(
      [0, 10, 0, 20].map(from => evidence.audit.ingest('pnt_1', 1, records.slice(from))),
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
    expect(await audit.ingest('pnt_1', 1, [attempt(1), attempt(5), attempt(9)])).toMatchObject({
      counter: 1,
      missing: 6,
    })
    await audit.flush()
    expect(await onPoint()).toEqual({ recordCounter: 1, recordGaps: 6 })
    expect(await audit.ingest('pnt_1', 1, [attempt(7), attempt(2)])).toMatchObject({ counter: 2, missing: 4 })
    await audit.ingest(
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
    const later = [attempt(1, { id: 'dec_c', epoch: 2 })]
    expect(await evidence.audit.ingest('pnt_1', 2, [...left, ...later])).toMatchObject({
      accepted: 3,
      counter: 1,
      missing: 1,
    })
    await expect(evidence.audit.ingest('pnt_1', 2, [attempt(1, { epoch: 3 })])).rejects.toMatchObject({
      code: 'request.invalid',
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
            last = await evidence.audit.ingest(point, 1, records.slice(from, from + size))
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
    await audit.ingest('pnt_1', 1, [first])
    const forged = [
      attempt(1, { tool: 'wipe' }),
      attempt(2, { id: first.id, tool: 'wipe' }),
      attempt(1, { id: 'dec_other' }),
    ]
    expect(await audit.ingest('pnt_1', 1, forged)).toMatchObject({ accepted: 0, conflicts: 3, counter: 2 })
    expect(await audit.ingest('pnt_1', 1, forged)).toMatchObject({ conflicts: 3 })
    expect((await audit.get(first.id)).tool).toBe('get_invoice')
    await expect(audit.get('dec_other')).rejects.toMatchObject({ code: 'not_found' })
    const { items } = await audit.changes({ limit: 50, type: 'record.conflict' })
    expect(items).toHaveLength(3)
    expect(items[0]).toMatchObject({ actor: 'pnt_1', detail: { kind: 'attempt', epoch: 1 } })
  })

  test('an id used twice in one batch keeps the first content', async () => {
    await using evidence = await start()
    const batch = [attempt(1), attempt(2, { id: attempt(1).id, tool: 'wipe' })]
    expect(await evidence.audit.ingest('pnt_1', 1, batch)).toMatchObject({ accepted: 1, conflicts: 1 })
    expect((await evidence.audit.get(attempt(1).id)).tool).toBe('get_invoice')
  })

  test('an outcome joins its attempt, before or after it, and only from the point that decided', async () => {
    await using evidence = await start()
    const { audit } = evidence
    const [first, second] = [attempt(1), attempt(4)]
    await audit.ingest('pnt_1', 1, [first, outcome(2, first.id), outcome(5, second.id)])
    await audit.ingest('pnt_2', 1, [outcome(1, second.id, { outcome: 'cancelled' })])
    await audit.ingest('pnt_1', 1, [second])
    expect(await audit.get(first.id)).toMatchObject({ outcome: 'ok', durationMs: 12.5, point: 'pnt_1' })
    expect(await audit.get(second.id)).toMatchObject({ outcome: 'ok' })
    await audit.ingest('pnt_1', 1, [attempt(3)])
    expect(await audit.get(attempt(3).id)).toMatchObject({ outcome: null, durationMs: null })
  })

  test('a resource is found with all below it and nothing beside it', async () => {
    await using evidence = await start()
    const segment = fc.constantFrom(
      'acme',
      'acme2',
      'acme-',
      'acme.',
      'ACME',
      'a%',
      'a_',
      '_cme',
      '%',
      '\\',
      '"',
      "'",
      'é',
      '😀',
      '0',
      '-',
      ' ',
    )
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/'))
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(path, { minLength: 1, maxLength: 25 }), path, async (paths, asked) => {
        const organization = `org_run${++run}`
        const records = paths.map((resource, index) =>
          attempt(index + 1, { id: `dec_${run}_${index}`, resource, organization }),
        )
        await evidence.audit.ingest(`pnt_run${run}`, 1, records)
        const expected = records.filter(
          ({ resource }) => resource === asked || resource?.startsWith(`${asked}/`),
        )
        const found = await evidence.all({ organization, resource: asked })
        expect(found.toSorted()).toEqual(expected.map(({ id }) => id).toSorted())
        expect(await evidence.all({ organization, resource: `${asked}/` })).toEqual(found)
      }),
      { numRuns: 60 },
    )
  })

  test('pages hold every call once, newest first, also while others arrive', async () => {
    await using evidence = await start()
    // Five share each moment, so that pages end between calls of the same time.
    const moment = (counter: number) => new Date(NOW - Math.floor(counter / 5) * 1000).toISOString()
    const records = Array.from({ length: 137 }, (_, index) => attempt(index + 1, { at: moment(index + 1) }))
    await evidence.audit.ingest('pnt_1', 1, records)
    const whole = await evidence.audit.calls({ limit: 200 })
    expect(await evidence.all()).toEqual(whole.items.map(({ id }) => id))
    expect(whole.items.map(({ at }) => at)).toEqual(records.map(({ at }) => at))

    let counter = 0
    const during = await evidence.all({ limit: 10 }, () => {
      counter += 3
      const times = [NOW + counter, NOW - 7000, NOW - 90_000].map(time => new Date(time).toISOString())
      return evidence.audit.ingest(
        'pnt_2',
        1,
        times.map((at, index) => attempt(counter - index, { id: `dec_late_${counter - index}`, at })),
      )
    })
    expect(new Set(during).size).toBe(during.length)
    expect(during.filter(id => !id.startsWith('dec_late'))).toEqual(whole.items.map(({ id }) => id))
  })

  test('request.invalid: a cursor that was made up, changed, or given for another question', async () => {
    await using evidence = await start()
    await evidence.audit.ingest('pnt_1', 1, [attempt(1), attempt(2)])
    const { next } = await evidence.audit.calls({ limit: 1, tool: 'get_invoice' })
    const refused = { code: 'request.invalid', path: 'cursor' }
    for (const cursor of ['', 'x', 'v1.AAAA', `${next}A`, next?.slice(0, -1)])
      await expect(evidence.audit.calls({ limit: 1, tool: 'get_invoice', cursor })).rejects.toMatchObject(
        refused,
      )
    await expect(evidence.audit.calls({ limit: 1, cursor: next ?? '' })).rejects.toMatchObject(refused)
    await expect(evidence.audit.changes({ limit: 1, cursor: next ?? '' })).rejects.toMatchObject(refused)
    expect(
      (await evidence.audit.calls({ limit: 9, tool: 'get_invoice', cursor: next ?? '' })).items,
    ).toHaveLength(1)
  })

  test('calls are found by every part of the question, by id or by name', async () => {
    await using evidence = await start()
    const other: Partial<AttemptRecord> = {
      organization: 'org_other',
      agent: 'agt_other',
      agentName: 'other',
      owner: 'usr_other',
      person: 'usr_nobody',
      server: 'srv_other',
      tool: 'other',
      resource: 'other',
      decision: 'deny',
      reason: 'stale',
      at: '2026-08-01T00:00:00.000Z',
    }
    const mine = attempt(1, { person: 'usr_maya' })
    await evidence.audit.ingest('pnt_1', 1, [mine, attempt(2, other)])
    for (const query of [
      { organization: 'org_nw' },
      { organization: 'northwind' },
      { agent: 'agt_support' },
      { agent: 'support-bot' },
      { agent: 'support-bot', organization: 'northwind' },
      { person: 'maya@northwind.dev' },
      { owner: 'usr_maya' },
      { owner: 'maya@northwind.dev' },
      { server: 'srv_billing' },
      { server: 'billing' },
      { tool: 'get_invoice' },
      { resource: 'customer' },
      { verdict: 'permit' as const },
      { reason: 'permitted' },
      { since: '2026-08-01T00:00:00.001Z' },
      { since: mine.at },
    ])
      expect(await evidence.all(query), JSON.stringify(query)).toEqual([mine.id])
    expect(await evidence.all({ until: mine.at })).toEqual([attempt(2).id])
  })

  test('not_found: a name that nobody has is no empty answer', async () => {
    await using evidence = await start()
    for (const query of [
      { organization: 'nortwind' },
      { agent: 'suport-bot' },
      { agent: 'maya@northwind.dev' },
      { person: 'support-bot' },
      { owner: 'nobody@northwind.dev' },
      { server: 'biling' },
    ]) {
      await expect(evidence.all(query), JSON.stringify(query)).rejects.toMatchObject({ code: 'not_found' })
      await expect(evidence.audit.who(query)).rejects.toMatchObject({ code: 'not_found' })
    }
    expect(await evidence.all({ agent: 'agt_gone' })).toEqual([])
  })

  test('"which agent accessed customer acme\'s billing data last Tuesday, and who authorized it?" is one sentence', async () => {
    await using evidence = await start()
    const tuesday = Date.UTC(2026, 8, 22, 9)
    let counter = 0
    const on = (time: number, fields: Partial<AttemptRecord>): CallRecord =>
      (fields.decision === 'deny' ? refusal : attempt)(++counter, {
        at: new Date(time + counter * 1000).toISOString(),
        ...fields,
      })
    const report = { agent: 'agt_report', agentName: 'report-bot', chain: ['agt_report'] }
    const byToken = [{ id: 'asg_2', role: 'auditor', createdBy: 'usr_gone' }]
    await evidence.audit.ingest('pnt_1', 1, [
      ...Array.from({ length: 31 }, () => on(tuesday, { resource: 'customer/acme/invoice/7' })),
      ...Array.from({ length: 8 }, () => on(tuesday, { decision: 'deny' })),
      on(tuesday, { ...report, assignments: byToken }),
      on(tuesday, { ...report, decision: 'deny' }),
      on(tuesday, { resource: 'customer/acme2' }),
      on(tuesday, { server: 'srv_other' }),
      on(tuesday - 86_400_000, {}),
      on(tuesday + 86_400_000, {}),
    ])
    const { sentence, rows } = await evidence.audit.who({
      organization: 'northwind',
      resource: 'customer/acme',
      server: 'billing',
      since: '2026-09-22T00:00:00Z',
      until: '2026-09-23T00:00:00Z',
    })
    expect(sentence).toBe(
      '2 agents touched customer/acme on billing between 2026-09-22T00:00:00Z and 2026-09-23T00:00:00Z: ' +
        'support-bot made 31 calls, authorized by maya@northwind.dev; report-bot made 1 call, authorized by usr_gone; ' +
        '9 calls were refused.',
    )
    expect(rows).toMatchObject([
      {
        agentName: 'support-bot',
        owner: 'maya@northwind.dev',
        permitted: 31,
        refused: 8,
        via: ['agt_support'],
      },
      { agentName: 'report-bot', authorizedBy: ['usr_gone'], permitted: 1, refused: 1 },
    ])
  })

  test('who: one row however often the agent was renamed and its roles given, by a person who asked or none', async () => {
    await using evidence = await start()
    await evidence.store.write(tx =>
      tx
        .insertInto('apiToken')
        .values({
          id: 'tok_ci',
          name: 'maya@northwind.dev',
          hash: 'h',
          permissions: '[]',
          createdAt: '2026-09-01T00:00:00.000Z',
          createdBy: 'usr_maya',
          expiresAt: null,
          revokedAt: null,
          lastUsedAt: null,
        })
        .execute(),
    )
    const given = (createdBy: string) => [{ id: 'asg', role: 'r', createdBy }]
    await evidence.audit.ingest('pnt_1', 1, [
      attempt(2, { agentName: 'new-name', assignments: given('tok_ci') }),
      attempt(1, { agentName: 'old-name', assignments: given('usr_maya') }),
      attempt(3, { agentName: 'new-name', person: 'usr_maya', grant: 'gnt_1' }),
      // It would have been refused, but the server only watches.
      refusal(4, { enforced: false, mode: 'audit', agentName: 'new-name' }),
    ])
    const { rows, sentence } = await evidence.audit.who({})
    expect(rows).toMatchObject([
      {
        agentName: 'new-name',
        grant: null,
        authorizedBy: ['maya@northwind.dev', 'token:maya@northwind.dev'],
        permitted: 3,
      },
      { person: 'maya@northwind.dev', grant: 'gnt_1', authorizedBy: ['maya@northwind.dev'], permitted: 1 },
    ])
    expect(sentence).toContain('1 agent touched anything')
    expect(sentence).toContain('1 call passed only because of audit mode')
  })

  test('who: says that nothing is on record, and that records are missing', async () => {
    await using evidence = await start()
    expect(await evidence.audit.who({ resource: 'customer/acme', since: '2026-09-22T00:00:00Z' })).toEqual({
      sentence: 'No call is on record for customer/acme since 2026-09-22T00:00:00Z.',
      rows: [],
    })
    await evidence.audit.ingest('pnt_1', 1, [refusal(3)])
    expect((await evidence.audit.who({ resource: 'customer' })).sentence).toBe(
      'No agent touched customer between 2026-09-01T00:00:03.000Z and 2026-09-01T00:00:03.000Z: 1 call was refused. ' +
        '2 records of enforcement points have not arrived, so this may not be all.',
    )
  })

  test('hostile content is kept as it came, found, and harmless in sentences', async () => {
    await using evidence = await start()
    const nasty = '\u0000\u001b[2J\r\n\u202e\ud800 "\'%_\\'
    const records = [
      attempt(1, {
        agentName: nasty,
        tool: nasty,
        resource: `customer/${nasty}`,
        arguments: { text: nasty, big: 'x'.repeat(1_000_000) },
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
    expect(await evidence.audit.ingest('pnt_1', 1, records)).toMatchObject({ accepted: 5 })
    expect(await evidence.audit.ingest('pnt_1', 1, records)).toMatchObject({ repeated: 5, conflicts: 0 })
    for (const sent of records) expect(await evidence.audit.get(sent.id)).toMatchObject(sent)
    expect(await evidence.all({ tool: nasty })).toEqual([attempt(1).id])
    expect(await evidence.all({ resource: 'customer', reason: 'permitted' })).toHaveLength(4)
    const answers = [
      (await evidence.audit.who({})).sentence,
      (await auditHandlers(evidence.audit).decisions.get(evidence, { id: attempt(1).id })).sentence,
      (await auditHandlers(evidence.audit).decisions.get(evidence, { id: attempt(3).id })).sentence,
    ]
    for (const sentence of answers) expect(sentence).not.toMatch(/[\p{Cc}\u202e]/u)
  })

  test('request.invalid: records that cannot be numbered, questions that cannot be exact', async () => {
    await using evidence = await start()
    const { counter: _counter, ...unnumbered } = attempt(1)
    for (const bad of [
      unnumbered,
      attempt(0),
      attempt(1, { counter: 2 ** 52 }),
      attempt(1, { id: '' }),
      attempt(1, { id: 'ü'.repeat(300) }),
    ])
      await expect(evidence.audit.ingest('pnt_1', 1, [bad])).rejects.toMatchObject({
        code: 'request.invalid',
      })
    for (const resource of ['', '/', 'x'.repeat(450)])
      await expect(evidence.audit.who({ resource })).rejects.toMatchObject({ code: 'request.invalid' })
    expect(await evidence.all()).toEqual([])
  })

  test('decisions.get says what was decided and why', async () => {
    await using evidence = await start()
    await evidence.audit.ingest('pnt_1', 1, [
      attempt(1),
      refusal(2),
      refusal(3, { enforced: false, mode: 'audit' }),
    ])
    const get = async (id: string) =>
      (await auditHandlers(evidence.audit).decisions.get(evidence, { id })).sentence
    expect(await get(attempt(1).id)).toBe(
      'Permitted: support-bot may use get_invoice on customer/acme, by the role billing-reader given by maya@northwind.dev (decision dec_00000001).',
    )
    expect(await get(attempt(2).id)).toContain('Denied: no role of this agent holds invoices:delete')
    expect(await get(attempt(3).id)).toMatch(/^Let pass in audit mode\. Denied: /)
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
    const audit = await openOver(store)
    await change('rol_2')
    await audit.close()
    expect(await store.db.selectFrom('auditOutbox').selectAll().execute()).toEqual([])
  })
})

test('a disk that fills refuses with audit.unavailable; what was acknowledged is there and nothing else', () => {
  const script = join(import.meta.dirname, 'audit-full-disk.ts')
  const file = join(freshDirectory(), 'audit.db')
  // A limit on the size of files, in KiB, is what any user can set; writing past it fails as on a full disk.
  const output = execFileSync('bash', [
    '-c',
    'ulimit -f 1000; exec "$0" "$1" "$2"',
    process.execPath,
    script,
    file,
  ])
  const { acknowledged, found, errors } = JSON.parse(output.toString())
  expect(errors).toEqual(['audit.unavailable', 'audit.unavailable', 'audit.unavailable'])
  expect(acknowledged).toBeGreaterThan(0)
  expect(found).toBe(acknowledged)
})
