import type { AttemptRecord } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { attempt, outcome } from '../storage/audit-samples.ts'
import { ship } from '../storage/shipping.ts'
import { handOn, northwind, type Product, start } from './product.ts'
import { openTerminal } from './terminal.ts'

const TERMINAL = { isTerminal: true, columns: 160 }
/** Green, red, yellow, and their end. */
const COLOURS = ['\u001b[32m', '\u001b[31m', '\u001b[33m', '\u001b[39m']
const TUESDAY = '2026-12-29T14:02:31.000Z'

/** What the support bot did on the Tuesday before, as an enforcement point would have shipped it. */
async function record(product: Product) {
  const { organization, agent, credential, server, maya, assignment } = await northwind(product)
  const common: Partial<AttemptRecord> = {
    organization: organization.id,
    agent: agent.id,
    credential: credential.id,
    owner: maya.id,
    server: server.id,
    chain: [],
    resource: 'customer/acme',
    assignments: [{ id: assignment.id, role: 'clerk', createdBy: maya.id }],
  }
  const permitted = attempt(1, { ...common, at: TUESDAY })
  const refused = attempt(2, {
    ...common,
    at: '2026-12-29T14:02:33.000Z',
    tool: 'refund_invoice',
    decision: 'deny',
    reason: 'agent_lacks_permission',
    detail: 'invoices:refund',
    assignments: [],
  })
  await ship(product.audit, 'pnt_1', 1, [permitted, refused, outcome(3, permitted.id, { durationMs: 0.94 })])
  return { permitted, refused }
}

test('check says the verdict and every step of it, and ends with 10 on a denial', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const check = ['check', 'support-bot', 'get_invoice', '--server', 'billing', '--args']
  const permitted = await terminal.valetkey([...check, '{"id":"1"}'], TERMINAL)
  expect(permitted.code).toBe(0)
  expect(permitted.out).toMatch(/^resource +invoice\/1$/m)
  const refused = await terminal.valetkey(
    [...check, '{"id":"1"}', '--scopes', 'tickets:read', '--color', 'never'],
    TERMINAL,
  )
  expect(refused.code).toBe(10)
  expect(refused.out).toContain(
    [
      'CHECK      RESULT       DETAIL',
      'state      passed       -',
      'tool       passed       -',
      'arguments  passed       -',
      'scope      failed       invoices:read',
      'resource   not reached  -',
    ].join('\n'),
  )
  expect((await terminal.valetkey([...check, '{"id":'])).code).toBe(2)
})

test('who answers in a sentence and a table, for a day as people say it', async () => {
  await using product = await start()
  await record(product)
  await using terminal = await openTerminal(product)
  const who = ['who', '--resource', 'customer/acme', '--server', 'billing', '--utc']
  const answer = await terminal.valetkey([...who, '--on', 'tuesday'], TERMINAL)
  expect(answer.code).toBe(0)
  const [sentence = '', , header = '', row = ''] = answer.out.split('\n')
  expect(sentence).toContain('customer/acme')
  expect(header.split(/ {2,}/)).toEqual(['AGENT', 'PERMITTED', 'REFUSED', 'AUTHORIZED BY', 'GRANT', 'VIA'])
  expect(row.split(/ {2,}/).slice(0, 3)).toEqual(['support-bot', '1', '1'])
  const json = JSON.parse((await terminal.valetkey([...who, '--on', 'tuesday', '--json'])).out)
  expect(json).toMatchObject({ apiVersion: 'v1', kind: 'WhoList', sentence: expect.any(String) })
  expect(json.items).toMatchObject([{ agentName: 'support-bot', permitted: 1, refused: 1 }])
  const before = await terminal.valetkey([...who, '--until', '2026-12-28', '--json'])
  expect(JSON.parse(before.out).items).toEqual([])
})

test('audit query takes filters as words and as flags', async () => {
  await using product = await start()
  const { refused } = await record(product)
  await using terminal = await openTerminal(product)
  const query = async (...filters: string[]) => {
    const { out } = await terminal.valetkey(['audit', 'query', '-o', 'name', ...filters])
    return out.split('\n').filter(Boolean)
  }
  expect(await query('agent:support-bot', 'verdict:denied', 'since:tuesday')).toEqual([refused.id])
  expect(await query('--agent', 'support-bot', '--verdict', 'denied')).toEqual([refused.id])
  expect(await query('tool:get_invoice', '--verdict', 'denied')).toEqual([])
  expect(await query('resource:customer')).toHaveLength(2)
  expect(await query('--limit', '1')).toHaveLength(1)
  expect(await query('--tool', 'get_invoice', '--tool', 'refund_invoice')).toHaveLength(2)
  expect(await query('--', '-tool:get_invoice')).toEqual([refused.id])
  // The shell has taken the quotes away.
  expect(await query('since:last tuesday', 'reason:no such reason')).toEqual([])
  expect(await query('acme', 'verdict:denied')).toEqual([refused.id])
  const wrong = await terminal.valetkey(['audit', 'query', 'agnet:support-bot'])
  expect(wrong.code).toBe(2)
  expect(wrong.err).toContain('Did you mean "agent"?')
  expect(wrong.err).toContain('at character 1')
  const nobody = await terminal.valetkey(['audit', 'query', 'agent:suport-bot'])
  expect(nobody.code).toBe(4)
  expect(nobody.err).toContain('Did you mean "support-bot"?')
})

test('who takes the same words, and says whose tuesday it was', async () => {
  await using product = await start()
  await record(product)
  await using terminal = await openTerminal(product)
  const words = ['who', 'resource:customer/acme', 'server:billing', 'on:tuesday', '--utc']
  const { sentence, asked, items } = JSON.parse((await terminal.valetkey([...words, '--json'])).out)
  expect(sentence).toContain('1 agent touched customer/acme on billing between 2026-12-29T00:00:00Z and ')
  expect(asked).toEqual({
    q: 'server:billing resource:customer/acme',
    ...{ zone: 'UTC', since: '2026-12-29T00:00:00Z', until: '2026-12-30T00:00:00Z' },
  })
  expect(items).toHaveLength(1)
  expect((await terminal.valetkey(['who', 'verdict:denied'])).code).toBe(2)
})

test('audit count counts by what calls have in common, and over time', async () => {
  await using product = await start()
  await record(product)
  await using terminal = await openTerminal(product)
  const count = (...argv: string[]) => terminal.valetkey(['audit', 'count', ...argv, '--utc'], TERMINAL)
  const byTool = await count('--by', 'agent,tool', 'on:tuesday')
  expect(byTool.out.split('\n').map(line => line.trim().split(/ {2,}/))).toEqual([
    ['Calls from 2026-12-29T00:00:00Z to 2026-12-30T00:00:00Z (UTC).'],
    [''],
    ['AGENT', 'TOOL', 'PERMITTED', 'REFUSED'],
    ['support-bot', 'get_invoice', '1', '0'],
    ['support-bot', 'refund_invoice', '0', '1'],
    [''],
  ])
  const byHour = JSON.parse((await count('--every', 'hour', '--json')).out)
  expect(byHour.items).toMatchObject([{ by: {}, from: '2026-12-29T14:00:00Z', permitted: 1, refused: 1 }])
  expect((await count('--by', 'agnet')).err).toContain('Did you mean "agent"?')
})

test('while a key is replaced, calls by the old one are counted beside those by the new one, until none is left', async () => {
  await using product = await start()
  const { organization, agent, credential: old, server } = await northwind(product)
  const fresh = await product.client().credentials.create({ agent: agent.id, kind: 'secret', label: 'new' })
  await using terminal = await openTerminal(product)
  const HOUR_MS = 3_600_000
  let counter = 0
  const call = (credential: string, hoursAgo: number) =>
    attempt(++counter, {
      ...{ organization: organization.id, agent: agent.id, server: server.id, chain: [], credential },
      at: new Date(product.now() - hoursAgo * HOUR_MS).toISOString(),
    })
  const seen = [call(old.id, 40), call(old.id, 30), call(old.id, 5), call(fresh.id, 2)]
  await ship(product.audit, 'pnt_1', 1, seen)
  const table = async (...more: string[]) => {
    const printed = await terminal.valetkey(['credential', 'ls', 'support-bot', '--json', ...more])
    const { items } = JSON.parse(printed.out) as { items: { id: string; calls: unknown }[] }
    return Object.fromEntries(items.map(({ id, calls }) => [id, calls]))
  }
  expect(await table()).toEqual({
    [old.id]: { permitted: 3, refused: 0, last: seen[2]?.at },
    [fresh.id]: { permitted: 1, refused: 0, last: seen[3]?.at },
  })
  expect(await table('--since', '24h')).toMatchObject({ [old.id]: { permitted: 1 } })
  expect(await table('--since', '3h')).toEqual({
    [old.id]: { permitted: 0, refused: 0, last: null },
    [fresh.id]: { permitted: 1, refused: 0, last: seen[3]?.at },
  })
  const shown = await terminal.valetkey(['credential', 'ls', 'support-bot'], TERMINAL)
  expect(shown.out).toMatch(/^ID +KIND +STATUS +LABEL +CREATED +LAST USED +CALLS +LAST CALL +EXPIRES$/m)

  const listed = await terminal.valetkey(['audit', 'query', `credential:${old.id}`, 'since:24h', '--json'])
  expect(JSON.parse(listed.out).items).toMatchObject([{ id: seen[2]?.id, credential: old.id }])
  const rehearsed = await terminal.valetkey(['credential', 'revoke', old.id, '--dry-run'])
  expect(rehearsed.err).toContain(`3 calls came by it in the last 7 days, the last at ${seen[2]?.at}.`)
  expect((await terminal.valetkey(['credential', 'revoke', fresh.id, '--dry-run'])).err).toContain(
    '1 call came',
  )
})

test('how long records are kept, and what is held, is said on the command line', async () => {
  await using product = await start()
  await record(product)
  await using terminal = await openTerminal(product)
  const audit = (...argv: string[]) => terminal.valetkey(['audit', ...argv])
  const set = JSON.parse((await audit('retention', 'set', 'calls', '400', '--json')).out)
  expect(set).toMatchObject({ kind: 'Retention', item: { records: 'calls', days: 400 } })
  expect((await audit('retention', 'ls')).out).toContain('400 days')
  const held = await audit(
    'hold',
    'add',
    '--reason',
    'case 7',
    '--person',
    'maya@northwind.test',
    '-o',
    'name',
  )
  const id = held.out.trim()
  expect(id).toMatch(/^hld_/)
  expect((await audit('hold', 'ls')).out).toContain('case 7')
  expect((await audit('hold', 'release', id, '--reason', 'settled')).code).toBe(0)
  expect((await audit('hold', 'release', id, '--reason', 'settled')).code).toBe(4)
  expect((await audit('retention', 'set', 'calls', '3')).code).toBe(7)
  expect((await audit('retention', 'set', 'cals', '30')).code).toBe(2)
  expect((await audit('retention', 'set', 'calls', 'forever')).code).toBe(0)
  expect((await audit('retention', 'ls', '-o', 'name')).out).toBe('')
})

test('calls are found by an agent that let another one act', async () => {
  await using product = await start()
  const { organization, server } = await northwind(product)
  const admin = product.client()
  const other = await admin.agents.create({
    name: 'billing-analyst',
    owner: 'maya@northwind.test',
    ceiling: ['invoices:*'],
  })
  await admin.delegationRules.put({ from: 'organization', to: 'organization' })
  const link = await handOn(product, {
    organization: organization.id,
    from: 'support-bot',
    to: 'billing-analyst',
  })
  const call = attempt(1, {
    organization: organization.id,
    agent: other.id,
    agentName: other.name,
    server: server.id,
    chain: [`${link.id}`],
  })
  await ship(product.audit, 'pnt_1', 1, [
    call,
    attempt(2, { ...call, id: 'dec_alone', chain: [], writer: attempt(2).writer }),
  ])
  const found = async (q: string) => (await product.audit.calls({ q, limit: 10 })).items.map(({ id }) => id)
  expect(await found('chain:support-bot')).toEqual([call.id])
  expect(await found(`chain:${link.id}`)).toEqual([call.id])
  expect(await found('-chain:support-bot agent:billing-analyst')).toEqual(['dec_alone'])
  expect(await found('chain:billing-analyst')).toEqual([])
})

test('who may only read the record can ask for ids', async () => {
  await using product = await start()
  const { refused } = await record(product)
  await using terminal = await openTerminal(product)
  const { token } = await product.client().apiTokens.create({ name: 'auditor', permissions: ['audit:read'] })
  const env = { VALETKEY_URL: 'https://auth.test', VALETKEY_TOKEN: token ?? '' }
  const argv = ['audit', 'query', `agent:${refused.agent}`, 'verdict:denied', '-o', 'name']
  expect((await terminal.valetkey(argv, { env })).out).toBe(`${refused.id}\n`)
})

test('nothing that a caller or a server wrote moves the cursor of who reads it, in whatever form', async () => {
  await using product = await start()
  const { organization, server } = await northwind(product)
  await using terminal = await openTerminal(product)
  const evil = '\u001b[2J\u009b31m\u202egpj.\u{e0041}\u007f\r'
  const call = attempt(1, {
    organization: organization.id,
    server: server.id,
    tool: evil,
    arguments: { [evil]: [evil, 'a\nb'] },
    decision: 'deny',
    reason: 'tool_unmapped',
    detail: evil,
  })
  await ship(product.audit, 'pnt_1', 1, [call])
  const shown = async (...argv: string[]) => {
    const { out, err } = await terminal.valetkey([...argv, '--color', 'always'], TERMINAL)
    const others = ['\r\n', '\n', ...COLOURS].reduce((text, ours) => text.replaceAll(ours, ''), out + err)
    expect(others, argv.join(' ')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(out).toContain('gpj.')
    return out
  }
  const items = [expect.objectContaining({ tool: evil, arguments: call.arguments })]
  expect(JSON.parse(await shown('audit', 'query', '-o', 'json'))).toMatchObject({ items })
  expect(JSON.parse(await shown('audit', 'query', '-o', 'ndjson'))).toEqual(items[0])
  expect(parseYaml(await shown('audit', 'query', '-o', 'yaml'))).toMatchObject({ items })
  for (const format of ['table', 'wide', 'csv']) await shown('audit', 'query', '-o', format)
  for (const format of ['table', 'json', 'yaml']) await shown('why', call.id, '-o', format)
})

test('why shows all that a decision rested on, and ends with 10 on a denial', async () => {
  await using product = await start()
  const { permitted, refused } = await record(product)
  await using terminal = await openTerminal(product)
  const why = await terminal.valetkey(['why', refused.id], TERMINAL)
  expect(why.code).toBe(10)
  expect(why.out).toMatch(/^reason +agent_lacks_permission$/m)
  expect(why.out).toMatch(/^arguments +\{"customer":"acme"\}$/m)
  expect((await terminal.valetkey(['why', permitted.id])).code).toBe(0)
  expect((await terminal.valetkey(['why', 'dec_01mb78qn00adkad1tj6d294yk5'])).code).toBe(4)
})

test('the tail shows each call once, in a line, until it is interrupted', async () => {
  await using product = await start()
  await record(product)
  await using terminal = await openTerminal(product)
  const interrupted = AbortSignal.timeout(1500)
  const tail = await terminal.valetkey(['audit', 'tail', 'since:tuesday', '--utc'], { interrupted })
  expect(tail.out.split('\n').map(line => line.replaceAll(/ {2,}/g, '  '))).toEqual([
    '14:02:31  permit  support-bot  get_invoice  customer/acme  0.9 ms',
    '14:02:33  DENY  support-bot  refund_invoice  customer/acme  agent_lacks_permission: invoices:refund',
    '',
  ])
  expect(tail.code).toBe(130)
})

test('codes are explained without an authority', async () => {
  await using product = await start()
  await using terminal = await openTerminal(product)
  const explain = (...argv: string[]) => terminal.valetkey(['explain', ...argv], { env: {} })
  expect((await explain('tool_changed', '-o', 'table')).out).toContain('is not the one that was approved')
  expect((await explain('not_found', '--json')).out).toContain('"status": 404')
  expect((await explain('not_fond')).err).toContain('Did you mean "not_found"?')
  expect(JSON.parse((await explain('--json')).out).items.length).toBeGreaterThan(30)
})
