import type { AttemptRecord, CallRecord } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { auditHandlers } from '../../packages/server/src/audit/index.ts'
import { NOW, openEvidence } from './audit-evidence.ts'
import { attempt, insertCredential, refusal } from './audit-samples.ts'
import { describeOnBoth } from './databases.ts'
import { ship } from './shipping.ts'

describeOnBoth('evidence answers', (open, place) => {
  const start = () => openEvidence(open, place)

  test('a resource is found with all that lay in it, wherever it lay itself, and nothing beside it', async () => {
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
        await ship(evidence.audit, `pnt_run${run}`, 1, records)
        // Type and id take turns, so what is asked for begins at a type.
        const wanted = asked.split('/')
        const isWithin = (path: string) => {
          const parts = path.split('/')
          return parts.some(
            (_, from) => from % 2 === 0 && wanted.every((part, i) => parts[from + i] === part),
          )
        }
        const expected = records.filter(({ resource }) => isWithin(resource ?? ''))
        const found = await evidence.all({ organization, resource: asked })
        expect(found.toSorted()).toEqual(expected.map(({ id }) => id).toSorted())
        expect(await evidence.all({ organization, resource: `${asked}/` })).toEqual(found)
      }),
      { numRuns: 60 },
    )
  })

  test('a subtree is what lay in it at the time: what was moved is found where it was, and by its own name', async () => {
    await using evidence = await start()
    await ship(evidence.audit, 'pnt_1', 1, [
      attempt(1, { resource: 'customer/acme/invoice/7' }),
      attempt(2, { resource: 'customer/globex/invoice/7' }),
      attempt(3, { resource: 'customer/globex/invoice/8' }),
    ])
    const found = async (resource: string) =>
      (await evidence.all({ organization: 'northwind', resource })).reverse()
    expect(await found('customer/acme')).toEqual([attempt(1).id])
    expect(await found('invoice/7')).toEqual([attempt(1).id, attempt(2).id])
    expect(await found('customer/globex/invoice')).toEqual([attempt(2).id, attempt(3).id])
    expect(await found('customer/globex/invoice/7')).toEqual([attempt(2).id])
    expect(await found('invoice')).toHaveLength(3)
    const { rows } = await evidence.audit.who({ resource: 'customer/globex/invoice/8' })
    expect(rows).toMatchObject([{ permitted: 1 }])
  })

  test('calls are found by grant, by a member of the chain, and by words in their arguments', async () => {
    await using evidence = await start()
    await ship(evidence.audit, 'pnt_1', 1, [
      attempt(1, { grant: 'gnt_1', person: 'usr_maya', chain: ['agt_support', 'agt_planner'] }),
      attempt(2, { arguments: { note: 'Refund for Jane DOE' } }),
      refusal(3, { detail: 'no doe here' }),
    ])
    expect(await evidence.all({ grant: 'gnt_1' })).toEqual([attempt(1).id])
    expect(await evidence.all({ chain: 'agt_planner' })).toEqual([attempt(1).id])
    expect(await evidence.all({ chain: 'agt_planner', agent: 'agt_other' })).toEqual([])
    expect(await evidence.all({ text: 'jane doe' })).toEqual([attempt(2).id])
    expect(await evidence.all({ text: 'DOE' })).toEqual([attempt(3).id, attempt(2).id])
    expect(await evidence.all({ text: 'doe', verdict: 'permit' })).toEqual([attempt(2).id])
    expect((await evidence.audit.who({ text: 'doe' })).rows).toMatchObject([{ permitted: 1, refused: 1 }])
  })

  test('calls are found and counted by the credential that the agent proved itself by, whether it is known or not', async () => {
    await using evidence = await start()
    await insertCredential(evidence.store, 'crd_old')
    const legacy = { agent: null, agentName: null, credential: 'fp_legacy', decision: 'deny' } as const
    await ship(evidence.audit, 'pnt_1', 1, [
      attempt(1, { credential: 'crd_old' }),
      attempt(2, { credential: 'crd_gone' }),
      attempt(3, { credential: 'crd_old', organization: 'org_other' }),
      attempt(4, { ...legacy, reason: 'unidentified', enforced: false }),
      attempt(5, { credential: null }),
    ])
    const ids = (...counters: number[]) => counters.map(counter => attempt(counter).id)
    expect(await evidence.all({ credential: 'crd_old' })).toEqual(ids(3, 1))
    expect(await evidence.all({ q: 'credential:crd_old org:northwind' })).toEqual(ids(1))
    expect(await evidence.all({ q: 'credential:crd_old credential:crd_gone' })).toEqual(ids(3, 2, 1))
    expect(await evidence.all({ credential: 'fp_legacy' })).toEqual(ids(4))
    expect(await evidence.all({ q: '-credential:crd_old' })).toEqual(ids(5, 4, 2))
    expect(await evidence.all({ q: 'credential:crd_old agent:agt_other' })).toEqual([])
    expect(await evidence.all({ credential: 'crd_never' })).toEqual([])
    const { counts } = await evidence.audit.counts({ by: 'credential' })
    expect(Object.fromEntries(counts.map(({ by, permitted }) => [by['credential'], permitted]))).toEqual({
      ...{ crd_old: 2, crd_gone: 1, fp_legacy: 1, null: 1 },
    })
  })

  test('a call that names several resources is found once by each of them and by what lies above', async () => {
    await using evidence = await start()
    const several = attempt(1, {
      resource: 'customer/acme/invoice/1',
      otherResources: ['customer/acme/invoice/2', 'customer/globex/invoice/3', 'customer/globex/invoice/3'],
    })
    const elsewhere = attempt(2, {
      ...several,
      id: 'dec_elsewhere',
      organization: 'org_other',
      writer: attempt(2).writer,
    })
    await ship(evidence.audit, 'pnt_1', 1, [several, elsewhere, several, attempt(3)])
    for (const resource of [
      'customer/acme/invoice/1',
      'customer/acme/invoice/2',
      'customer/globex/invoice/3',
      'customer/globex',
    ])
      expect(await evidence.all({ organization: 'northwind', resource }), resource).toEqual([several.id])
    expect((await evidence.all({ resource: 'customer/globex' })).toSorted()).toEqual([
      several.id,
      elsewhere.id,
    ])
    expect(await evidence.all({ organization: 'northwind', resource: 'customer/glob' })).toEqual([])
    const { rows } = await evidence.audit.who({ organization: 'northwind', resource: 'customer' })
    expect(rows).toMatchObject([{ permitted: 2 }])
    const { sentence, otherResources } = await auditHandlers(evidence.audit).decisions.get(evidence, {
      id: several.id,
    })
    expect(sentence).toContain('on customer/acme/invoice/1 and 3 others')
    expect(otherResources).toEqual(several.otherResources)
  })

  test('pages hold every call once, newest first, also while others arrive', async () => {
    await using evidence = await start()
    // Five share each moment, so that pages end between calls of the same time.
    const moment = (counter: number) => new Date(NOW - Math.floor(counter / 5) * 1000).toISOString()
    const records = Array.from({ length: 137 }, (_, index) => attempt(index + 1, { at: moment(index + 1) }))
    await ship(evidence.audit, 'pnt_1', 1, records)
    const whole = await evidence.audit.calls({ limit: 200 })
    expect(await evidence.all()).toEqual(whole.items.map(({ id }) => id))
    expect(whole.items.map(({ at }) => at)).toEqual(records.map(({ at }) => at))

    let counter = 0
    const during = await evidence.all({ limit: 10 }, () => {
      counter += 3
      const times = [NOW + counter, NOW - 7000, NOW - 90_000].map(time => new Date(time).toISOString())
      return ship(
        evidence.audit,
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
    await ship(evidence.audit, 'pnt_1', 1, [attempt(1), attempt(2)])
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
    await ship(evidence.audit, 'pnt_1', 1, [mine, attempt(2, other)])
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
    await ship(evidence.audit, 'pnt_1', 1, [
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
    await ship(evidence.audit, 'pnt_1', 1, [
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
      asked: { q: 'resource:customer/acme', zone: 'UTC', since: '2026-09-22T00:00:00Z', until: null },
      lookedBackTo: null,
    })
    await ship(evidence.audit, 'pnt_1', 1, [refusal(3)])
    expect((await evidence.audit.who({ resource: 'customer' })).sentence).toBe(
      'No agent touched customer between 2026-09-01T00:00:03.000Z and 2026-09-01T00:00:03.000Z: 1 call was refused. ' +
        '2 records of enforcement points have not arrived, so this may not be all.',
    )
  })

  test('request.invalid: records that cannot be numbered, questions that cannot be exact', async () => {
    await using evidence = await start()
    const { writer: _writer, ...unnumbered } = attempt(1)
    for (const bad of [
      unnumbered,
      attempt(0),
      attempt(1, { writer: { point: 'pnt_1', epoch: 1, counter: 2 ** 52, previous: 0 } }),
      attempt(1, { id: '' }),
      attempt(1, { id: 'ü'.repeat(300) }),
    ])
      await expect(ship(evidence.audit, 'pnt_1', 1, [bad])).rejects.toMatchObject({
        code: 'request.invalid',
      })
    for (const resource of ['', '/', 'x'.repeat(450)])
      await expect(evidence.audit.who({ resource })).rejects.toMatchObject({ code: 'request.invalid' })
    expect(await evidence.all()).toEqual([])
  })

  test('decisions.get says what was decided and why', async () => {
    await using evidence = await start()
    await ship(evidence.audit, 'pnt_1', 1, [
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
})
