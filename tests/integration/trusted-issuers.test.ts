import { exchangeJwtAuthGrant } from '@modelcontextprotocol/client'
import { type CryptoKey, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Site, sendJson, startSite } from '../../packages/server/src/oauth/testing/loopback-site.ts'
import { type OauthStage, RESOURCE, startStage } from './oauth-stage.ts'

/** Issuers elsewhere whose word an organization takes: about programs that are agents, and about people (ID-JAG). */

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const EMAIL = 'maya@northwind.test'
const HERE = { organization: 'northwind' }

let stage: OauthStage
let site: Site
/** The keys that the site shows, and who holds the private ones. */
let keys: object[]
let signer: { key: CryptoKey; kid: string }
let other: { key: CryptoKey; kid: string }

async function newSigner(kid: string, alg = 'ES256') {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { key: privateKey, kid, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

beforeAll(async () => {
  const [own, foreign] = [await newSigner('k1'), await newSigner('k1')]
  signer = own
  other = foreign
  keys = [own.jwk]
  site = await startSite((request, response) => {
    const issuer = site.url
    if (request.url?.endsWith('/keys')) sendJson(response, { keys })
    else sendJson(response, { issuer, jwks_uri: `${issuer}/keys` })
  })
  stage = await startStage({ issuerPrivateHosts: site.host })
  await stage.api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  await stage.api.people.create({ organization: 'contoso', email: 'jon@contoso.test', name: 'Jon' })
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})
// Whoever fails is made to wait, and keys are asked for once a minute.
beforeEach(() => stage.passTime(2 * 60_000))

async function agent(name: string, kind: 'autonomous' | 'both' = 'autonomous', organization = 'northwind') {
  const owner = organization === 'contoso' ? 'jon@contoso.test' : EMAIL
  return stage.api.agents.create({ organization, name, owner, kind, ceiling: ['invoices:*'] })
}

/** What an issuer says; undefined leaves a claim out. */
async function say(
  claims: Record<string, unknown>,
  { key, kid } = signer,
  header: object = {},
): Promise<string> {
  const iat = Math.floor(stage.now() / 1000)
  const all = { iss: site.url, aud: stage.url, iat, exp: iat + 300, jti: crypto.randomUUID(), ...claims }
  const said = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return new SignJWT(said).setProtectedHeader({ alg: 'ES256', kid, ...header }).sign(key)
}

const bring = (assertion: string, more: Record<string, string> = {}) =>
  stage.send('/token', { grant_type: JWT_BEARER, assertion, resource: RESOURCE, ...more })

async function lastRefusal() {
  const events = await stage.events('token.refused')
  return (events[0]?.detail as { reason?: string } | undefined)?.reason
}

test('the metadata says that both are taken', async () => {
  const metadata = await (await fetch(`${stage.url}/.well-known/oauth-authorization-server`)).json()
  expect(metadata).toMatchObject({
    grant_types_supported: expect.arrayContaining([JWT_BEARER]),
    authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'],
  })
})

describe('workloads', () => {
  const CLAIMS = { sub: 'repo:northwind/billing:ref:refs/heads/main', repository: 'northwind/billing' }
  let deploy: { id: string }
  beforeAll(async () => {
    deploy = await agent('deploy-bot')
    const rules = [
      { agent: 'deploy-bot', claims: { repository: 'northwind/billing', sub: 'repo:northwind/*' } },
    ]
    await stage.api.issuers.create({ ...HERE, name: 'ci', kind: 'workload', issuer: site.url, rules })
  })

  test('a program that its issuer names is its agent, without any secret of ours', async () => {
    const answer = await bring(await say(CLAIMS), { scope: 'invoices:read' })
    expect(answer).toMatchObject({ status: 200, token_type: 'Bearer', scope: 'invoices:read' })
    const { credential } = (await stage.api.issuers.get({ issuerId: 'ci', ...HERE })).rules[0] ?? {}
    const claims = decodeJwt(String(answer['access_token']))
    expect(claims).toMatchObject({ sub: deploy.id, agent: deploy.id, cred: credential, aud: RESOURCE })
    expect(claims).not.toHaveProperty('gid')
    expect(answer).not.toHaveProperty('refresh_token')
    expect(await bring(await say({ ...CLAIMS, aud: `${stage.url}/token` }))).toMatchObject({ status: 200 })
  })

  test.each<[string, string, () => Promise<string>]>([
    ['another issuer', 'issuer_unknown', () => say({ ...CLAIMS, iss: 'https://elsewhere.test' })],
    ['ourselves as the issuer', 'issuer_unknown', () => say({ ...CLAIMS, iss: stage.url })],
    ['another audience', 'assertion_audience', () => say({ ...CLAIMS, aud: 'https://elsewhere.test' })],
    [
      'our audience among others',
      'assertion_audience',
      () => say({ ...CLAIMS, aud: [stage.url, 'https://elsewhere.test'] }),
    ],
    ['no audience', 'assertion ERR_JWT_CLAIM_VALIDATION_FAILED', () => say({ ...CLAIMS, aud: undefined })],
    [
      'an end that has passed',
      'assertion ERR_JWT_EXPIRED',
      () => say({ ...CLAIMS, exp: Math.floor(stage.now() / 1000) - 60 }),
    ],
    ['no end', 'assertion ERR_JWT_CLAIM_VALIDATION_FAILED', () => say({ ...CLAIMS, exp: undefined })],
    [
      'a life of years',
      'assertion_lifetime',
      () => say({ ...CLAIMS, exp: Math.floor(stage.now() / 1000) + 90_000_000 }),
    ],
    [
      'a beginning to come',
      'assertion_iat',
      () => say({ ...CLAIMS, iat: Math.floor(stage.now() / 1000) + 600 }),
    ],
    ['a key of somebody else', 'assertion ERR_JWS_SIGNATURE_VERIFICATION_FAILED', () => say(CLAIMS, other)],
    [
      'a key that it names itself',
      'assertion ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
      async () => {
        const jwk = (await newSigner('k9')).jwk
        return say(CLAIMS, other, { jwk, jku: `${site.url}/keys` })
      },
    ],
    [
      'no signature (alg none)',
      'assertion ERR_JOSE_ALG_NOT_ALLOWED',
      async () => {
        const [, payload] = (await say(CLAIMS)).split('.')
        return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`
      },
    ],
    [
      'the public key as a secret (key confusion)',
      'assertion ERR_JOSE_ALG_NOT_ALLOWED',
      async () => {
        const iat = Math.floor(stage.now() / 1000)
        const secret = new TextEncoder().encode(JSON.stringify(keys[0]))
        return new SignJWT({ ...CLAIMS, iss: site.url, aud: stage.url, iat, exp: iat + 60 })
          .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
          .sign(secret)
      },
    ],
    ['the type of another token', 'assertion_type', () => say(CLAIMS, signer, { typ: 'at+jwt' })],
    [
      'changed claims',
      'assertion ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
      async () => {
        const [head, , signature] = (await say(CLAIMS)).split('.')
        const [, payload] = (await say({ ...CLAIMS, extra: 1 })).split('.')
        return `${head}.${payload}.${signature}`
      },
    ],
    ['claims that no rule is about', 'rule_none', () => say({ ...CLAIMS, repository: 'northwind/other' })],
    [
      'a claim that only begins alike',
      'rule_none',
      () => say({ ...CLAIMS, repository: 'northwind/billing-fork' }),
    ],
    ['a claim that is a list', 'rule_none', () => say({ ...CLAIMS, repository: ['northwind/billing'] })],
    ['nonsense', 'issuer_unknown', async () => 'x'.repeat(300)],
  ])('an assertion with %s is worth nothing', async (_what, reason, make) => {
    expect(await bring(await make())).toMatchObject({ status: 400, error: 'invalid_grant' })
    await expect.poll(lastRefusal).toBe(reason)
  })

  test('it is good once, and a flipped signature does not make another of it', async () => {
    const assertion = await say(CLAIMS)
    const without = await say({ ...CLAIMS, jti: undefined })
    for (const one of [assertion, without]) {
      expect(await bring(one)).toMatchObject({ status: 200 })
      expect(await bring(one)).toMatchObject({ error: 'invalid_grant' })
    }
    const [head, payload, signature = ''] = without.split('.')
    expect(await bring(`${head}.${payload}.${flipped(signature)}`)).toMatchObject({ error: 'invalid_grant' })
    await expect.poll(lastRefusal).toBe('assertion_replayed')
    const eight = await say(CLAIMS)
    const answers = await Promise.all(Array.from({ length: 8 }, () => bring(eight)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test('what comes by a rule ends with the rule, with its credential, with its agent', async () => {
    const { rules } = await stage.api.issuers.get({ issuerId: 'ci', ...HERE })
    const said = rules.map(({ agent: id, claims }) => ({ agent: id, claims }))
    await stage.api.revocations.create({ kind: 'credential', id: rules[0]?.credential ?? '' })
    expect(await bring(await say(CLAIMS))).toMatchObject({ status: 401, error: 'invalid_client' })
    await stage.api.issuers.update({ ...HERE, issuerId: 'ci', rules: [] })
    expect(await bring(await say(CLAIMS))).toMatchObject({ error: 'invalid_grant' })
    await stage.api.issuers.update({ ...HERE, issuerId: 'ci', rules: said })
    expect(await bring(await say(CLAIMS))).toMatchObject({ status: 200 })
    await stage.api.agents.suspend({ id: deploy.id })
    expect(await bring(await say(CLAIMS))).toMatchObject({ status: 401, error: 'invalid_client' })
    await stage.api.agents.resume({ id: deploy.id })
    const { items } = await stage.api.credentials.list({ agent: deploy.id })
    expect(items.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
      'workload revoked',
      'workload live',
    ])
  })

  test('naming the agent, or its credential, is no proof of anything', async () => {
    const form = { client_id: deploy.id, resource: RESOURCE }
    for (const grant_type of ['client_credentials', JWT_BEARER])
      expect(await stage.send('/token', { ...form, grant_type })).toMatchObject({ status: 401 })
    expect(
      await stage.send('/token', { ...form, grant_type: 'client_credentials', assertion: await say(CLAIMS) }),
    ).toMatchObject({ status: 401 })
  })

  test('whoever could be two is none, until it says which; of another organization’s rules nothing is taken', async () => {
    const rules = [{ agent: 'their-bot', claims: { repository: 'northwind/billing' } }]
    const theirs = await agent('their-bot', 'autonomous', 'contoso')
    const organization = 'contoso'
    await stage.api.issuers.create({ organization, name: 'ci', kind: 'workload', issuer: site.url, rules })
    expect(await bring(await say(CLAIMS))).toMatchObject({ error: 'invalid_grant' })
    await expect.poll(lastRefusal).toBe('rule_several')
    const named = await bring(await say(CLAIMS), { client_id: deploy.id })
    expect(decodeJwt(String(named['access_token']))['agent']).toBe(deploy.id)
    await stage.api.issuers.remove({ organization, issuerId: 'ci' })
    expect(await bring(await say(CLAIMS), { client_id: theirs.id })).toMatchObject({ error: 'invalid_grant' })
    await expect(
      stage.api.issuers.create({ ...HERE, name: 'x', kind: 'workload', issuer: 'https://x.test', rules }),
    ).rejects.toMatchObject({ code: 'not_found' })
  })

  test('Kubernetes: a claim within others, and a token that comes more than once where that is allowed', async () => {
    const issuer = `${site.url}/cluster`
    const pod = await agent('pod-bot')
    const claims = { 'kubernetes.io/namespace': 'prod', 'kubernetes.io/serviceaccount/name': 'billing' }
    const jwksUri = `${issuer}/keys`
    const rules = [{ agent: 'pod-bot', claims }]
    await stage.api.issuers.create({
      ...HERE,
      name: 'k8s',
      kind: 'workload',
      issuer,
      jwksUri,
      reusable: true,
      rules,
    })
    const said = {
      ...{ iss: issuer, sub: 'system:serviceaccount:prod:billing', aud: [stage.url], jti: undefined },
      'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'billing', uid: '1' } },
    }
    const token = await say(said)
    for (const _ of [1, 2])
      expect(decodeJwt(String((await bring(token))['access_token']))['agent']).toBe(pod.id)
    const elsewhere = { namespace: 'dev', serviceaccount: { name: 'billing' } }
    expect(await bring(await say({ ...said, 'kubernetes.io': elsewhere }))).toMatchObject({ status: 400 })
    expect(await bring(await say({ ...said, 'kubernetes.io': { namespace: 'prod' } }))).toMatchObject({
      status: 400,
    })
  })

  test('SPIFFE: by the trust domain of the subject, with the keys of its bundle', async () => {
    const { key, kid, jwk } = await newSigner('spiffe-1')
    const spiffe = await agent('spiffe-bot')
    await stage.api.issuers.create({
      ...{ ...HERE, name: 'mesh', kind: 'workload', issuer: 'spiffe://northwind.test' },
      jwks: { keys: [{ ...jwk, use: 'jwt-svid' }] },
      rules: [{ agent: 'spiffe-bot', claims: { sub: 'spiffe://northwind.test/ns/prod/*' } }],
    })
    const svid = (sub: string) => say({ iss: undefined, iat: undefined, sub }, { key, kid })
    const answer = await bring(await svid('spiffe://northwind.test/ns/prod/sa/billing'))
    expect(decodeJwt(String(answer['access_token']))['agent']).toBe(spiffe.id)
    for (const sub of [
      'spiffe://northwind.test/ns/dev/sa/billing',
      'spiffe://northwind.test.evil.test/ns/prod/sa/x',
      'spiffe://evil.test/ns/prod/sa/billing',
    ])
      expect(await bring(await svid(sub)), sub).toMatchObject({ error: 'invalid_grant' })
    const foreign = { iss: 'spiffe://northwind.test', sub: 'spiffe://evil.test/ns/prod/sa/billing' }
    expect(await bring(await say(foreign, { key, kid }))).toMatchObject({ error: 'invalid_grant' })
    await expect.poll(lastRefusal).toBe('issuer_unknown')
  })

  test('a new key is found without a word, and nobody makes us ask without end', async () => {
    const next = await newSigner('k2')
    keys.push(next.jwk)
    expect(await bring(await say(CLAIMS, next))).toMatchObject({ status: 200 })
    const before = site.paths.length
    for (const kid of ['a', 'b', 'c'])
      expect(await bring(await say(CLAIMS, { key: other.key, kid }))).toMatchObject({ status: 400 })
    expect(site.paths.length).toBe(before)
    for (let failures = 0; failures < 10; failures++) await bring(await say({ ...CLAIMS, aud: 'x' }))
    expect(await bring(await say(CLAIMS))).toMatchObject({ status: 429 })
  })

  test.each<[string, object]>([
    ['keys that are private', { jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'a', y: 'b', d: 'c' }] } }],
    ['both keys and their address', { jwks: { keys: [{}] }, jwksUri: 'https://x.test/keys' }],
    ['keys in clear', { jwksUri: 'http://x.test/keys' }],
    ['a trust domain without keys', { issuer: 'spiffe://x.test' }],
    ['a rule that is about nothing', { rules: [{ agent: 'deploy-bot', claims: {} }] }],
    ['a rule that is about everybody', { rules: [{ agent: 'deploy-bot', claims: { sub: '*' } }] }],
    [
      'a rule about what its tokens all say',
      { rules: [{ agent: 'deploy-bot', claims: { iss: 'https://x.test', aud: 'https://valetkey.test' } }] },
    ],
    ['an issuer that is no address', { issuer: 'github' }],
    ['people by email', { byEmail: true }],
  ])('an issuer with %s is not taken', async (_what, more) => {
    const input = { ...HERE, name: 'bad', kind: 'workload', issuer: 'https://x.test', ...more }
    await expect(stage.api.issuers.create(input as never)).rejects.toMatchObject({ code: 'request.invalid' })
  })
})

/** An ECDSA signature in the other of the two ways in which it can be written. */
function flipped(signature: string): string {
  const bytes = Buffer.from(signature, 'base64url')
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
  const hex = s.toString(16).padStart(64, '0')
  return Buffer.concat([bytes.subarray(0, 32), Buffer.from(hex, 'hex')]).toString('base64url')
}

describe('ID-JAG', () => {
  let bot: { id: string; secret: string }
  const CLAIMS = () => ({
    ...{ sub: 'U0194', email: EMAIL, client_id: bot.id, resource: RESOURCE },
    scope: 'invoices:read invoices:refund',
  })
  const jag = (claims: Record<string, unknown> = {}, by = signer, header: object = {}) =>
    say({ ...CLAIMS(), ...claims }, by, { typ: 'oauth-id-jag+jwt', ...header })
  const redeem = (assertion: string, more: Record<string, string> = {}, headers = {}) =>
    stage.send(
      '/token',
      { grant_type: JWT_BEARER, assertion, client_id: bot.id, client_secret: bot.secret, ...more },
      headers,
    )
  async function confidential(name: string, organization = 'northwind') {
    const { id } = await agent(name, 'both', organization)
    const { secret } = await stage.api.credentials.create({ organization, agent: id, kind: 'secret' })
    return { id, secret: secret ?? '' }
  }

  beforeAll(async () => {
    bot = await confidential('office-bot')
    await stage.api.issuers.create({
      ...HERE,
      name: 'okta',
      kind: 'enterprise',
      issuer: site.url,
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
    await expect.poll(lastRefusal).toBe('grant_by_issuer')
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
    ['another key', 'assertion ERR_JWS_SIGNATURE_VERIFICATION_FAILED', () => jag({}, other)],
    [
      'an end that has passed',
      'assertion ERR_JWT_EXPIRED',
      () => jag({ exp: Math.floor(stage.now() / 1000) - 60 }),
    ],
    ['no id', 'assertion_claims', () => jag({ jti: undefined })],
    ['the type of a workload', 'assertion_type', () => jag({}, signer, { typ: 'JWT' })],
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
    await expect.poll(lastRefusal).toBe(reason)
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
    await expect.poll(lastRefusal).toBe('issuer_unknown')
  })

  test('what the person stopped stays stopped, until an administrator gives it anew', async () => {
    const eve = await confidential('evening-bot')
    const by = { client_id: eve.id, client_secret: eve.secret }
    const said = () => jag({ client_id: eve.id })
    const gid = String(decodeJwt(String((await redeem(await said(), by))['access_token']))['gid'])
    await stage.api.grants.revoke({ id: gid, reason: 'stopped by the person' })
    expect(await redeem(await said(), by)).toMatchObject({ error: 'invalid_grant' })
    await expect.poll(lastRefusal).toBe('grant_stopped')
  })

  test('trust that is taken back counts no more, and keeps its name for nobody', async () => {
    await stage.api.issuers.remove({ ...HERE, issuerId: 'okta' })
    expect(await redeem(await jag())).toMatchObject({ error: 'invalid_grant' })
    const made = await stage.api.issuers.create({
      ...{ ...HERE, name: 'okta', kind: 'enterprise', issuer: site.url, tenant: 'northwind' },
    })
    expect(made).toMatchObject({ byEmail: false, tenant: 'northwind' })
    expect(await redeem(await jag({ tenant: 'northwind' }))).toMatchObject({ error: 'invalid_grant' })
    await stage.api.issuers.update({ ...HERE, issuerId: 'okta', byEmail: true })
    expect(await redeem(await jag({ tenant: 'northwind' }))).toMatchObject({ status: 200 })
    expect(await redeem(await jag())).toMatchObject({ error: 'invalid_grant' })
  })
})
