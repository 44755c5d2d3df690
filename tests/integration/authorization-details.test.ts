import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../e2e/person.ts'
import { type Asked, type OauthStage, RESOURCE, startStage } from './oauth-stage.ts'

/** Requests that say in detail what they are for (RFC 9396). */

let stage: OauthStage
let maya: Person
let clientId: string

const READ = { type: 'mcp_tool', identifier: 'get_invoice' }
const REFUND = { type: 'mcp_tool', identifier: 'refund_invoice' }
const ACME = { type: 'resource', identifier: 'customer/acme' }
const GLOBEX = { type: 'resource', identifier: 'customer/globex' }
const full = (tool: object) => ({ ...tool, locations: [RESOURCE], actions: ['call'] })

beforeAll(async () => {
  stage = await startStage()
  const { api } = stage
  await api.resourceTypes.create({ slug: 'customer' })
  for (const id of ['acme', 'globex']) await api.resources.put({ type: 'customer', id, name: `${id} Ltd.` })
  const definition = `sha256-${'a'.repeat(43)}`
  const inputSchema = { type: 'object', properties: { customer: { type: 'string' } } }
  const tool = { server: 'billing', definition, inputSchema, resource: 'customer/{args.customer}' }
  await api.tools.map({ ...tool, name: 'get_invoice', permission: 'invoices:read' })
  await api.tools.map({
    ...tool,
    name: 'list_invoices',
    permission: 'invoices:read',
    resource: 'customer/{args.customer}',
  })
  await api.tools.map({ ...tool, name: 'refund_invoice', permission: 'invoices:refund' })
  maya = await stage.signedUp()
  clientId = await stage.register()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const text = (details: unknown) => (typeof details === 'string' ? details : JSON.stringify(details))
const ask = (details: unknown, more: Record<string, string | undefined> = {}) =>
  stage.ask(clientId, { authorization_details: text(details), ...more })

async function granted(asked: Asked, answer: Parameters<Person['decide']>[1] = {}, more = {}) {
  const token = await stage.redeem(asked, await maya.decide(asked.url, answer), more)
  return { ...token, claims: decodeJwt(String(token['access_token'])) }
}

describe('what was asked for in detail', () => {
  test('is what is granted: in the answer, in the token, in the grant, and when somebody asks', async () => {
    const asked = ask([READ, ACME])
    const page = await maya.look(asked.url)
    for (const said of ['this tool only: get_invoice', 'on this only: acme Ltd.', 'value="invoices:read"'])
      expect(page.text).toContain(said)
    for (const unsaid of ['invoices:refund', 'tickets:read', 'name="reach"'])
      expect(page.text).not.toContain(unsaid)
    const details = [full(READ), ACME]
    const answer = await granted(asked)
    expect(answer).toMatchObject({ status: 200, scope: 'invoices:read', authorization_details: details })
    expect(answer.claims).toMatchObject({ authorization_details: details, scope: 'invoices:read' })
    expect(await stage.api.grants.get({ id: String(answer.claims['gid']) })).toMatchObject({
      details,
      resources: ['customer/acme'],
    })
    const { key } = await stage.api.serverKeys.create({ server: 'billing' })
    const token = String((answer as Record<string, unknown>)['access_token'])
    expect(
      await stage.send('/token/introspection', { token }, { authorization: `Bearer ${key}` }),
    ).toMatchObject({ active: true, authorization_details: details })
  })

  test('is narrowed by what the person ticks, and by scopes', async () => {
    const both = await granted(ask([READ, REFUND]), { scope: ['invoices:read'] })
    expect(both).toMatchObject({ scope: 'invoices:read', authorization_details: [full(READ)] })
    const scoped = await granted(ask([READ, REFUND], { scope: 'invoices:refund' }), {
      scope: ['invoices:refund'],
    })
    expect(scoped).toMatchObject({ scope: 'invoices:refund', authorization_details: [full(REFUND)] })
    const actions = await granted(ask([{ ...ACME, actions: ['invoices:read', 'tickets:read'] }]), {
      scope: ['tickets:read'],
    })
    expect(actions).toMatchObject({
      ...{ scope: 'tickets:read', authorization_details: [{ ...ACME, actions: ['tickets:read'] }] },
    })
  })

  test('is pushed as well', async () => {
    const asked = ask([READ])
    const { url } = await stage.push(asked)
    expect(await granted({ ...asked, url })).toMatchObject({ authorization_details: [full(READ)] })
  })

  test('stands alone: it neither widens nor is widened by what was agreed to before', async () => {
    const plain = await granted(stage.ask(clientId, { scope: 'invoices:read' }))
    const narrow = await granted(ask([REFUND, ACME]), { scope: ['invoices:refund'] })
    expect(narrow.claims['gid']).not.toBe(plain.claims['gid'])
    const again = await maya.look(stage.ask(clientId, { scope: 'invoices:refund' }).url)
    expect(again.text).toContain('value="invoices:refund"')
  })
})

describe('a token request', () => {
  test('may want less of it, and gets a token for less', async () => {
    const asked = ask([READ, REFUND, ACME, GLOBEX], { scope: 'invoices:read invoices:refund offline_access' })
    const back = await maya.decide(asked.url, { scope: ['invoices:read', 'invoices:refund'] })
    const first = await stage.redeem(asked, back, { authorization_details: text([READ, ACME]) })
    expect(first).toMatchObject({ status: 200, authorization_details: [full(READ), ACME] })
    const form = { grant_type: 'refresh_token', client_id: clientId, resource: RESOURCE }
    const renewed = await stage.send('/token', { ...form, refresh_token: String(first['refresh_token']) })
    expect(renewed).toMatchObject({ authorization_details: [full(READ), full(REFUND), ACME, GLOBEX] })
    const narrowed = await stage.send('/token', {
      ...{ ...form, refresh_token: String(renewed['refresh_token']) },
      authorization_details: text([{ ...ACME, actions: ['invoices:read'] }]),
    })
    expect(narrowed).toMatchObject({ scope: 'invoices:read' })
    expect(narrowed['authorization_details']).toEqual([
      ...[{ ...ACME, actions: ['invoices:read'] }, full(READ), full(REFUND)],
    ])
  })

  test.each<[string, unknown]>([
    ['another tool', [REFUND]],
    ['another resource', [GLOBEX]],
    ['one of a type that is not there', [{ type: 'payment' }]],
    ['no list', '{'],
  ])('for %s is refused', async (_what, wanted) => {
    const asked = ask([READ, ACME])
    const back = await maya.decide(asked.url)
    expect(await stage.redeem(asked, back, { authorization_details: text(wanted) })).toMatchObject({
      status: 400,
      error: 'invalid_authorization_details',
    })
  })
})

test.each<[string, unknown, RegExp]>([
  ['no JSON', '{', /authorization_details/],
  ['no list', { ...READ }, /JSON array/],
  ['a list of words', ['mcp_tool'], /object/],
  ['no type', [{ identifier: 'get_invoice' }], /type/],
  ['a type that is not there', [{ type: 'payment_initiation' }], /type/],
  ['a field that is not there', [{ ...READ, max_calls: 3 }], /\[0\].*max_calls/],
  ['a tool that is not there', [{ ...READ, identifier: 'drop_database' }], /drop_database is no tool/],
  ['a tool of another server', [{ ...READ, locations: ['https://elsewhere.test/mcp'] }], /server is another/],
  ['a tool to be read', [{ ...READ, actions: ['read'] }], /\[0\]\.actions/],
  ['no tool', [{ type: 'mcp_tool' }], /identifier/],
  ['a resource without an id', [{ type: 'resource', identifier: 'customer' }], /identifier/],
  ['an action that the server does not have', [{ ...ACME, actions: ['payroll:read'] }], /payroll:read/],
  ['an action that is none', [{ ...ACME, actions: ['*'] }], /actions/],
  [
    'other actions on each resource',
    [
      { ...ACME, actions: ['invoices:read'] },
      { ...GLOBEX, actions: ['invoices:refund'] },
    ],
    /same actions/,
  ],
  ['too many', Array.from({ length: 51 }, () => READ), /authorization_details/],
])('details with %s are refused, with the place', async (_what, details, description) => {
  const asked = ask(details)
  const { leaves } = await maya.browser.open(asked.url)
  const answer = Object.fromEntries(leaves?.searchParams ?? [])
  expect(answer).toMatchObject({ error: 'invalid_authorization_details', iss: stage.url, state: 's' })
  expect(answer['error_description']).toMatch(description)
  expect(await stage.push(asked)).toMatchObject({ status: 400, error: 'invalid_authorization_details' })
})

test('a person who holds nothing of it is told so', async () => {
  const page = await maya.look(ask([{ ...ACME, identifier: 'customer/nobody' }]).url)
  expect(page.status).toBe(403)
  expect(page.text).not.toContain('value="allow"')
})

test('the metadata names the types', async () => {
  const metadata = await (await fetch(`${stage.url}/.well-known/oauth-authorization-server`)).json()
  expect(metadata).toMatchObject({ authorization_details_types_supported: ['mcp_tool', 'resource'] })
})

test('an agent that names a grant is bound by its details; one that acts for itself has none', async () => {
  const asked = ask([READ, ACME])
  const { claims } = await granted(asked)
  const agent = String(claims['agent'])
  const { secret } = await stage.api.credentials.create({ agent, kind: 'secret' })
  const form = {
    grant_type: 'client_credentials',
    client_id: agent,
    client_secret: secret ?? '',
    resource: RESOURCE,
  }
  const named = await stage.send('/token', { ...form, grant_id: String(claims['gid']) })
  expect(named).toMatchObject({ status: 200, authorization_details: [full(READ), ACME] })
  await stage.api.agents.update({ id: agent, kind: 'both' })
  expect(await stage.send('/token', { ...form, authorization_details: text([READ]) })).toMatchObject({
    ...{ status: 400, error: 'invalid_authorization_details' },
  })
})
