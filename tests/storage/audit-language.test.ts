import { type CallQuestion, parseQuery, writeChips } from '@valetkey/sdk/contract'
import { type AttemptRecord, canonicalJson } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { NOW, openEvidence } from './audit-evidence.ts'
import { attempt } from './audit-samples.ts'
import { describeOnBoth } from './databases.ts'
import { ship } from './shipping.ts'

const HOUR_MS = 3_600_000
const AGENTS = ['agt_support', 'agt_report', 'agt_gone']
const LINKS = ['dlg_1', 'dlg_2']
const PATHS = [
  null,
  'customer/acme',
  'customer/acme/invoice/1',
  'customer/acme/invoice/2',
  'customer/globex/invoice/1',
  'invoice/1',
  'region/eu/customer/acme',
]
const WORDS = ['refund', 'Jane', 'a"b', 'é😀']

/** Calls of a few agents on a few things: so few that every question finds some. */
const call = fc.record({
  agent: fc.constantFrom(...AGENTS),
  organization: fc.constantFrom('org_nw', 'org_other'),
  person: fc.constantFrom(null, 'usr_maya', 'usr_jon'),
  grant: fc.constantFrom(null, 'gnt_1', 'gnt_2'),
  credential: fc.constantFrom(null, 'crd_1', 'crd_2', 'fp_legacy'),
  chain: fc.subarray(LINKS),
  server: fc.constantFrom('srv_billing', 'srv_other'),
  tool: fc.constantFrom('get_invoice', 'refund', 'say "hi" now'),
  resource: fc.constantFrom(...PATHS),
  otherResources: fc.subarray(PATHS.filter(path => path !== null)),
  decision: fc.constantFrom('permit' as const, 'deny' as const, 'needs_approval' as const),
  enforced: fc.boolean(),
  reason: fc.constantFrom('permitted', 'stale', 'tool_unmapped'),
  arguments: fc.subarray(WORDS).map(note => ({ note })),
  hoursAgo: fc.integer({ min: 0, max: 24 * 40 }),
})

const VALUES: Record<string, readonly string[]> = {
  agent: [...AGENTS, 'support-bot'],
  organization: ['northwind', 'org_other'],
  person: ['usr_jon', 'maya@northwind.dev'],
  grant: ['gnt_1', 'gnt_2', 'gnt_9'],
  credential: ['crd_1', 'crd_2', 'crd_9', 'fp_legacy'],
  chain: LINKS,
  server: ['billing', 'srv_other'],
  tool: ['get_invoice', 'say "hi" now', 'nothing'],
  resource: [
    ...PATHS.filter(path => path !== null),
    'customer',
    'customer/acme/invoice',
    'invoice',
    'region/eu',
  ],
  verdict: ['permitted', 'denied', 'needs_approval'],
  reason: ['stale', 'tool_unmapped'],
  point: ['pnt_1', 'pnt_2'],
  text: ['refund', 'jane', 'a"b', 'É😀', 'nowhere'],
}
const chip = fc.constantFrom(...Object.keys(VALUES)).chain(key =>
  fc.record({
    key: fc.constant(key),
    value: fc.constantFrom(...(VALUES[key] ?? [])),
    isNot: fc.boolean().map(isNot => isNot && key !== 'organization'),
  }),
)
const times = fc.constantFrom(
  '',
  'since:20d',
  'until:10d',
  'on:2026-09-08',
  'since:2026-09-01 until:2026-09-20',
)
const IDS: Record<string, string> = {
  'support-bot': 'agt_support',
  northwind: 'org_nw',
  'maya@northwind.dev': 'usr_maya',
  billing: 'srv_billing',
}

/** What a question means, record by record, without any index. */
function matches(record: AttemptRecord, { wanted, text, since, until }: CallQuestion): boolean {
  const at = Date.parse(record.at)
  if ((since !== null && at < since) || (until !== null && at >= until)) return false
  const said = canonicalJson({ arguments: record.arguments }).toLowerCase()
  const has = (word: string) => said.includes(JSON.stringify(word).slice(1, -1).toLowerCase())
  if (!text.all.every(has) || text.none.some(has)) return false
  const holds: Record<string, (value: string) => boolean> = {
    ...Object.fromEntries(
      (['agent', 'organization', 'person', 'credential', 'grant', 'server', 'tool', 'reason'] as const).map(
        key => [key, value => record[key] === value],
      ),
    ),
    chain: value => record.chain.includes(value),
    resource: value => [record.resource, ...(record.otherResources ?? [])].some(path => lies(path, value)),
    verdict: value => record.decision === value,
    point: value => record.writer?.point === value,
  }
  return Object.entries(wanted).every(([key, { any, none }]) => {
    const is = (value: string) => holds[key]?.(IDS[value] ?? value) === true
    return (any.length === 0 || any.some(is)) && !none.some(is)
  })
}

/** Whether what is asked for, or the type that it ends with, stands in a path where a type begins. */
function lies(path: string | null, asked: string): boolean {
  const [parts, wanted] = [path?.split('/') ?? [], asked.split('/')]
  return parts.some((_, from) => from % 2 === 0 && wanted.every((part, i) => parts[from + i] === part))
}

describeOnBoth('questions in words', (open, place) => {
  test('any question finds what its words say, in calls, in counts and over time', async () => {
    await using evidence = await openEvidence(open, place)
    const { audit } = evidence
    const records = fc
      .sample(call, { numRuns: 130, seed: 7 })
      .map(({ hoursAgo, ...fields }, i): AttemptRecord => {
        const point = i % 2 === 0 ? 'pnt_1' : 'pnt_2'
        const counter = Math.floor(i / 2) + 1
        const at = new Date(NOW - hoursAgo * HOUR_MS).toISOString()
        return attempt(counter, {
          ...fields,
          id: `dec_${i}`,
          at,
          writer: { point, epoch: 1, counter, previous: 0 },
        })
      })
    for (const point of ['pnt_1', 'pnt_2'])
      for (let from = 0; from < 65; from += 13)
        await ship(
          audit,
          point,
          1,
          records.filter(({ writer }) => writer?.point === point).slice(from, from + 13),
        )
    await fc.assert(
      fc.asyncProperty(fc.array(chip, { maxLength: 4 }), times, async (chips, time) => {
        const isAbroad = chips.some(({ value }) => value === 'org_other')
        // A name is looked for in the organization that is named.
        fc.pre(!isAbroad || !chips.some(({ value }) => ['support-bot', 'maya@northwind.dev'].includes(value)))
        const q = `${writeChips(chips)} ${time}`
        const question = parseQuery(q, { now: NOW, zone: 'UTC' })
        const expected = records.filter(record => matches(record, question))
        expect((await evidence.all({ q })).toSorted(), q).toEqual(expected.map(({ id }) => id).toSorted())

        const { counts } = await audit.counts({ q, by: 'agent,verdict' })
        const byHand = Map.groupBy(expected, ({ agent, decision }) => `${agent} ${decision}`)
        expect(
          Object.fromEntries(
            counts.map(({ by, permitted, refused }) => [
              `${by['agent']} ${by['verdict']}`,
              permitted + refused,
            ]),
          ),
          q,
        ).toEqual(Object.fromEntries([...byHand].map(([key, list]) => [key, list.length])))

        const zone = 'Europe/Berlin'
        const days = await audit.counts({ q, zone, every: 'day' })
        const berlin = new Intl.DateTimeFormat('sv-SE', { timeZone: zone })
        // The question's own days are those of its zone.
        const there = records.filter(record => matches(record, parseQuery(q, { now: NOW, zone })))
        const dayByHand = Map.groupBy(there, ({ at }) => berlin.format(Date.parse(at)))
        expect(
          Object.fromEntries(days.counts.map(day => [day.from?.slice(0, 10), day.permitted + day.refused])),
          q,
        ).toEqual(Object.fromEntries([...dayByHand].map(([key, list]) => [key, list.length])))
      }),
      { numRuns: place.kind === 'memory' ? 50 : 15 },
    )
  })

  test('what is counted: permitted, refused, let pass in audit mode; by name, busiest first', async () => {
    await using evidence = await openEvidence(open, place)
    await ship(evidence.audit, 'pnt_1', 1, [
      attempt(1),
      attempt(2, { decision: 'deny', reason: 'stale' }),
      attempt(3, { decision: 'deny', reason: 'stale', enforced: false }),
      attempt(4, { agent: 'agt_gone', agentName: 'gone', person: 'usr_maya' }),
    ])
    const { counts, names, asked } = await evidence.audit.counts({
      q: 'since:2026-08-01',
      by: 'agent,person,organization',
    })
    expect(counts).toEqual([
      {
        by: { agent: 'agt_support', person: null, organization: 'org_nw' },
        ...{ from: null, permitted: 2, refused: 1, unenforced: 1 },
        ...{ first: '2026-09-01T00:00:01.000Z', last: '2026-09-01T00:00:03.000Z' },
      },
      expect.objectContaining({ by: { agent: 'agt_gone', person: 'usr_maya', organization: 'org_nw' } }),
    ])
    expect(names).toEqual({
      agt_support: 'support-bot',
      agt_gone: 'agt_gone',
      usr_maya: 'maya@northwind.dev',
    })
    expect(asked).toEqual({ q: '', zone: 'UTC', since: '2026-08-01T00:00:00Z', until: null })
  })

  test('a day on which clocks change has 25 hours, and the hour that comes twice is two', async () => {
    await using evidence = await openEvidence(open, place)
    const times = [
      '2025-10-25T22:00:00Z',
      '2025-10-26T00:30:00Z',
      '2025-10-26T01:30:00Z',
      '2025-10-26T22:59:59Z',
    ]
    await ship(
      evidence.audit,
      'pnt_1',
      1,
      times.map((at, i) => attempt(i + 1, { at: new Date(at).toISOString() })),
    )
    const over = async (every: 'day' | 'hour') =>
      (await evidence.audit.counts({ zone: 'Europe/Berlin', every })).counts.map(({ from, permitted }) => [
        from,
        permitted,
      ])
    expect(await over('day')).toEqual([['2025-10-26T00:00:00+02:00', 4]])
    expect(await over('hour')).toEqual([
      ['2025-10-26T00:00:00+02:00', 1],
      ['2025-10-26T02:00:00+02:00', 1],
      ['2025-10-26T02:00:00+01:00', 1],
      ['2025-10-26T23:00:00+01:00', 1],
    ])
  })

  test('"2h" is said once: the pages of one question are about one time', async () => {
    await using evidence = await openEvidence(open, place)
    const at = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString()
    await ship(evidence.audit, 'pnt_1', 1, [attempt(1, { at: at(119) }), attempt(2, { at: at(1) })])
    const first = await evidence.audit.calls({ q: 'since:2h', limit: 1 })
    evidence.passTime(10 * 60_000)
    const second = await evidence.audit.calls({ q: 'since:2h', limit: 1, cursor: first.next ?? '' })
    expect(second.items.map(({ id }) => id)).toEqual([attempt(1).id])
    expect(second.asked).toEqual(first.asked)
    expect((await evidence.audit.calls({ q: 'since:2h', limit: 9 })).items).toHaveLength(1)
  })

  test('a question that takes too long is broken off, and says how far it got', async () => {
    if (place.dialect !== 'postgres') return
    const url = await place.newUrl()
    await using evidence = await openEvidence(() => open(url), place)
    await ship(evidence.audit, 'pnt_1', 1, [attempt(1), attempt(2)])
    expect((await evidence.audit.who({ q: 'agent:support-bot' })).lookedBackTo).toBeNull()
    // Whoever holds the table makes every statement take too long.
    const other = new Client(url)
    await other.connect()
    await other.query('begin')
    await other.query('lock table audit_record in access exclusive mode')
    const { sentence, rows, lookedBackTo } = await evidence.audit.who({ q: 'agent:support-bot' })
    const page = await evidence.audit.calls({ q: 'agent:support-bot', limit: 10 })
    await other.query('rollback')
    await other.end()
    expect(rows).toEqual([])
    expect(lookedBackTo).not.toBeNull()
    expect(sentence).toContain('There is too much to look through')
    expect(page).toMatchObject({ items: [], lookedBackTo: expect.any(String), next: expect.any(String) })
    // The next page goes on from there.
    const again = { q: 'agent:support-bot', limit: 10, cursor: page.next ?? '' }
    expect((await evidence.audit.calls(again)).items).toHaveLength(2)
  })

  test('query.invalid: a name that thousands of organizations have is asked about in one of them', async () => {
    if (place.kind !== 'memory') return
    await using evidence = await openEvidence(open, place)
    await ship(evidence.audit, 'pnt_1', 1, [attempt(1)])
    const createdAt = '2026-09-01T00:00:00.000Z'
    const seqs = Array.from({ length: 6_000 }, (_, i) => i + 2)
    await evidence.store.write(async tx => {
      for (let from = 0; from < seqs.length; from += 500) {
        const some = seqs.slice(from, from + 500)
        const organizations = some.map(seq => ({ id: `org_${seq}`, seq, slug: `o${seq}`, name: 'Other' }))
        await tx
          .insertInto('organization')
          .values(organizations.map(each => ({ ...each, status: 'active' as const, createdAt })))
          .execute()
        const agent = {
          kind: 'agent',
          externalId: 'support-bot',
          name: '',
          status: 'active',
          createdAt,
        } as const
        await tx
          .insertInto('principal')
          .values(some.map(seq => ({ ...agent, id: `agt_${seq}`, organizationId: `org_${seq}`, seq: 1 })))
          .execute()
      }
    })
    const all = evidence.audit.calls({ q: 'agent:support-bot', limit: 9 })
    await expect(all).rejects.toMatchObject({ code: 'query.invalid', path: 'q' })
    expect(await evidence.all({ q: 'agent:support-bot org:northwind' })).toEqual([attempt(1).id])
  })

  test('query.invalid and not_found say what was meant; nothing is asked', async () => {
    await using evidence = await openEvidence(open, place)
    const { audit } = evidence
    await expect(audit.calls({ q: 'agnet:x', limit: 1 })).rejects.toMatchObject({
      code: 'query.invalid',
      path: 'q@0',
    })
    await expect(audit.calls({ zone: 'Mars/Olympus', limit: 1 })).rejects.toMatchObject({ path: 'zone' })
    await expect(audit.who({ q: 'agent:a', agent: 'b' })).rejects.toMatchObject({ path: 'agent' })
    await expect(audit.calls({ q: 'credential:old-key', limit: 1 })).rejects.toMatchObject({
      code: 'query.invalid',
      path: 'credential',
    })
    await expect(audit.counts({ by: 'agnet' })).rejects.toMatchObject({
      code: 'query.invalid',
      message: expect.stringContaining('Did you mean "agent"?'),
    })
    await expect(audit.counts({ by: 'agent,agent' })).rejects.toMatchObject({ path: 'by' })
    for (const [q, meant] of [
      ['agent:suport-bot', 'support-bot'],
      ['-server:biling', 'billing'],
      ['organization:nortwind', 'northwind'],
      ['person:maya@nortwind.dev', 'maya@northwind.dev'],
    ])
      await expect(audit.who({ q }), q).rejects.toMatchObject({
        code: 'not_found',
        message: expect.stringContaining(`Did you mean "${meant}"?`),
      })
  })
})
