import { exchangeJwtAuthGrant } from '@modelcontextprotocol/client'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { EMAIL, HERE, type IssuerStage, JWT_BEARER, startIssuerStage } from './issuer-stage.ts'
import { RESOURCE } from './oauth-stage.ts'

/** Issuers elsewhere that say for whom an agent acts (ID-JAG). */

let stage: IssuerStage
beforeAll(async () => {
  stage = await startIssuerStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())
// Whoever fails is made to wait, and keys are asked for once a minute.
beforeEach(() => stage.passTime(2 * 60_000))

let bot: { id: string; secret: string }
const CLAIMS = () => ({
  ...{ sub: 'U0194', email: EMAIL, client_id: bot.id, resource: RESOURCE },
  scope: 'invoices:read invoices:refund',
})
const jag = (claims: Record<string, unknown> = {}, by = stage.signer, header: object = {}) =>
  stage.say({ ...CLAIMS(), ...claims }, by, { typ: 'oauth-id-jag+jwt', ...header })
const redeem = (assertion: string, more: Record<string, string> = {}, headers = {}) =>
  stage.send(
    '/token',
    { grant_type: JWT_BEARER, assertion, client_id: bot.id, client_secret: bot.secret, ...more },
    headers,
  )
async function confidential(name: string, organization = 'northwind') {
  const { id } = await stage.agent(name, 'both', organization)
  const { secret } = await stage.api.credentials.create({ organization, agent: id, kind: 'secret' })
  return { id, secret: secret ?? '' }
}

beforeAll(async () => {
  bot = await confidential('office-bot')
  await stage.api.issuers.create({
    ...HERE,
    name: 'okta',
    kind: 'enterprise',
    issuer: stage.site.url,
    byEmail: true,
  })
})

test('an agent acts for a person on the word of the organization’s provider, without a page', async () => {
  const answer = await redeem(await jag())
  expect(answer).toMatchObject({ status: 200, scope: 'invoices:read invoices:refund', expires_in: 300 })
  expect(answer).not.toHaveProperty('refresh_token')
  const claims = decodeJwt(String(answer['access_token']))
  expect(claims).toMatchObject({ sub: expect.stringMatching(/^usr_/), agent: bot.id, aud: RESOURCE })
  const { items } = await stage.api.issuers.list(HERE)
  const issuer = items.find(({ name }) => name === 'okta')
  expect(await stage.api.grants.get({ id: String(claims['gid']) })).toMatchObject({
    ...{ personEmail: EMAIL, status: 'live', scopes: ['invoices:read', 'invoices:refund'] },
    createdBy: issuer?.id,
  })
  const again = await redeem(await jag())
  expect(decodeJwt(String(again['access_token']))['gid']).toBe(claims['gid'])
})

test('nothing is had of it without the next word of the provider', async () => {
  const gid = String(decodeJwt(String((await redeem(await jag()))['access_token']))['gid'])
  const by = { client_id: bot.id, client_secret: bot.secret }
  const form = { grant_type: 'client_credentials', grant_id: gid, resource: RESOURCE, ...by }
  expect(await stage.send('/token', form)).toMatchObject({ status: 400, error: 'invalid_grant' })
  await expect.poll(() => stage.lastRefusal()).toBe('grant_by_issuer')
})

test('an official SDK redeems it', async () => {
  const tokens = await exchangeJwtAuthGrant({
    ...{ tokenEndpoint: `${stage.url}/token`, jwtAuthGrant: await jag() },
    ...{ clientId: bot.id, clientSecret: bot.secret },
  })
  expect(tokens).toMatchObject({ scope: 'invoices:read invoices:refund' })
})

test('it is never more than was said, asked for, allowed, and held today', async () => {
  expect(await redeem(await jag({ scope: 'invoices:read' }))).toMatchObject({ scope: 'invoices:read' })
  const less = { scope: 'invoices:read tickets:read' }
  expect(await redeem(await jag(), less)).toMatchObject({ scope: 'invoices:read' })
  for (const scope of [undefined, '', 'tickets:read', 'nothing:here'])
    expect(await redeem(await jag({ scope })), scope).toMatchObject({ status: 400, error: 'invalid_scope' })
})

test.each<[string, string, () => Promise<string>, string?]>([
  ['another client', 'assertion_client', () => jag({ client_id: 'agt_other' })],
  ['no client', 'assertion_client', () => jag({ client_id: undefined })],
  ['another audience', 'assertion_audience', () => jag({ aud: 'https://elsewhere.test' })],
  ['our token endpoint as its audience', 'assertion_audience', () => jag({ aud: `${stage.url}/token` })],
  ['a life of hours', 'assertion_lifetime', () => jag({ exp: Math.floor(stage.now() / 1000) + 7_200 })],
  ['several audiences', 'assertion_audience', () => jag({ aud: [stage.url, 'https://elsewhere.test'] })],
  ['another issuer', 'issuer_unknown', () => jag({ iss: 'https://elsewhere.test' })],
  ['ourselves as the issuer', 'issuer_unknown', () => jag({ iss: stage.url })],
  ['another key', 'assertion ERR_JWS_SIGNATURE_VERIFICATION_FAILED', () => jag({}, stage.other)],
  [
    'an end that has passed',
    'assertion ERR_JWT_EXPIRED',
    () => jag({ exp: Math.floor(stage.now() / 1000) - 60 }),
  ],
  ['no id', 'assertion_claims', () => jag({ jti: undefined })],
  ['the type of a workload', 'assertion_type', () => jag({}, stage.signer, { typ: 'JWT' })],
  ['a person that nobody knows', 'person_unknown', () => jag({ email: 'nobody@northwind.test' })],
  ['an address that is not verified', 'person_unknown', () => jag({ email_verified: false })],
  ['an address that is not verified, as text', 'person_unknown', () => jag({ email_verified: 'false' })],
  ['a person of another organization', 'person_unknown', () => jag({ email: 'jon@contoso.test' })],
  ['a tenant that nobody trusts', 'assertion_tenant', () => jag({ tenant: 'other' })],
  ['a key that is not proven', 'assertion_key', () => jag({ cnf: { jkt: 'x'.repeat(43) } })],
  [
    'bounds that are not understood',
    'assertion_bounds',
    () => jag({ authorization_details: [{ type: 'mcp_tool' }] }),
  ],
  ['several servers', 'assertion_resource', () => jag({ resource: [RESOURCE, 'https://else.test/mcp'] })],
  ['no server', 'assertion_resource', () => jag({ resource: undefined })],
  [
    'an unknown server',
    'resource_unknown',
    () => jag({ resource: 'https://else.test/mcp' }),
    'invalid_target',
  ],
])('one with %s is worth nothing', async (_what, reason, make, error = 'invalid_grant') => {
  expect(await redeem(await make())).toMatchObject({ status: 400, error })
  await expect.poll(() => stage.lastRefusal()).toBe(reason)
})

test('it is good once', async () => {
  const assertion = await jag()
  const answers = await Promise.all(Array.from({ length: 8 }, () => redeem(assertion)))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(await redeem(assertion)).toMatchObject({ error: 'invalid_grant' })
})

test('nobody redeems it without proof, for another server, or with the trust of another organization', async () => {
  const stolen = await jag()
  expect(await redeem(stolen, { client_secret: 'wrong' })).toMatchObject({ status: 401 })
  expect(await redeem(stolen, { resource: 'https://else.test/mcp' })).toMatchObject({
    error: 'invalid_target',
  })
  const form = { grant_type: JWT_BEARER, assertion: await jag({ client_id: bot.id }), client_id: bot.id }
  expect(await stage.send('/token', form)).toMatchObject({ status: 401 })
  const theirs = await confidential('their-office-bot', 'contoso')
  const foreign = await jag({ client_id: theirs.id, email: 'jon@contoso.test' })
  const by = { client_id: theirs.id, client_secret: theirs.secret }
  expect(await redeem(foreign, by)).toMatchObject({ status: 400, error: 'invalid_grant' })
  await expect.poll(() => stage.lastRefusal()).toBe('issuer_unknown')
})

test('what the person stopped stays stopped, until an administrator gives it anew', async () => {
  const eve = await confidential('evening-bot')
  const by = { client_id: eve.id, client_secret: eve.secret }
  const said = () => jag({ client_id: eve.id })
  const gid = String(decodeJwt(String((await redeem(await said(), by))['access_token']))['gid'])
  await stage.api.grants.revoke({ id: gid, reason: 'stopped by the person' })
  expect(await redeem(await said(), by)).toMatchObject({ error: 'invalid_grant' })
  await expect.poll(() => stage.lastRefusal()).toBe('grant_stopped')
})

test('trust that is taken back counts no more, and keeps its name for nobody', async () => {
  await stage.api.issuers.remove({ ...HERE, issuerId: 'okta' })
  expect(await redeem(await jag())).toMatchObject({ error: 'invalid_grant' })
  const made = await stage.api.issuers.create({
    ...{ ...HERE, name: 'okta', kind: 'enterprise', issuer: stage.site.url, tenant: 'northwind' },
  })
  expect(made).toMatchObject({ byEmail: false, tenant: 'northwind' })
  expect(await redeem(await jag({ tenant: 'northwind' }))).toMatchObject({ error: 'invalid_grant' })
  await stage.api.issuers.update({ ...HERE, issuerId: 'okta', byEmail: true })
  expect(await redeem(await jag({ tenant: 'northwind' }))).toMatchObject({ status: 200 })
  expect(await redeem(await jag())).toMatchObject({ error: 'invalid_grant' })
})
