import { decodeJwt, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { HERE, type IssuerStage, JWT_BEARER, newSigner, startIssuerStage } from './issuer-stage.ts'
import { RESOURCE } from './oauth-stage.ts'

/** Issuers elsewhere that say which program is which agent. */

let stage: IssuerStage
beforeAll(async () => {
  stage = await startIssuerStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())
// Whoever fails is made to wait, and keys are asked for once a minute.
beforeEach(() => stage.passTime(2 * 60_000))

test('the metadata says that both are taken', async () => {
  const metadata = await (await fetch(`${stage.url}/.well-known/oauth-authorization-server`)).json()
  expect(metadata).toMatchObject({
    grant_types_supported: expect.arrayContaining([JWT_BEARER]),
    authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'],
  })
})

const CLAIMS = { sub: 'repo:northwind/billing:ref:refs/heads/main', repository: 'northwind/billing' }
let deploy: { id: string }
beforeAll(async () => {
  deploy = await stage.agent('deploy-bot')
  const rules = [
    { agent: 'deploy-bot', claims: { repository: 'northwind/billing', sub: 'repo:northwind/*' } },
  ]
  await stage.api.issuers.create({ ...HERE, name: 'ci', kind: 'workload', issuer: stage.site.url, rules })
})

test('a program that its issuer names is its agent, without any secret of ours', async () => {
  const answer = await stage.bring(await stage.say(CLAIMS), { scope: 'invoices:read' })
  expect(answer).toMatchObject({ status: 200, token_type: 'Bearer', scope: 'invoices:read' })
  const { credential } = (await stage.api.issuers.get({ issuerId: 'ci', ...HERE })).rules[0] ?? {}
  const claims = decodeJwt(String(answer['access_token']))
  expect(claims).toMatchObject({ sub: deploy.id, agent: deploy.id, cred: credential, aud: RESOURCE })
  expect(claims).not.toHaveProperty('gid')
  expect(answer).not.toHaveProperty('refresh_token')
  expect(await stage.bring(await stage.say({ ...CLAIMS, aud: `${stage.url}/token` }))).toMatchObject({
    status: 200,
  })
})

test.each<[string, string, () => Promise<string>]>([
  ['another issuer', 'issuer_unknown', () => stage.say({ ...CLAIMS, iss: 'https://elsewhere.test' })],
  ['ourselves as the issuer', 'issuer_unknown', () => stage.say({ ...CLAIMS, iss: stage.url })],
  ['another audience', 'assertion_audience', () => stage.say({ ...CLAIMS, aud: 'https://elsewhere.test' })],
  [
    'our audience among others',
    'assertion_audience',
    () => stage.say({ ...CLAIMS, aud: [stage.url, 'https://elsewhere.test'] }),
  ],
  [
    'no audience',
    'assertion ERR_JWT_CLAIM_VALIDATION_FAILED',
    () => stage.say({ ...CLAIMS, aud: undefined }),
  ],
  [
    'an end that has passed',
    'assertion ERR_JWT_EXPIRED',
    () => stage.say({ ...CLAIMS, exp: Math.floor(stage.now() / 1000) - 60 }),
  ],
  ['no end', 'assertion ERR_JWT_CLAIM_VALIDATION_FAILED', () => stage.say({ ...CLAIMS, exp: undefined })],
  [
    'a life of years',
    'assertion_lifetime',
    () => stage.say({ ...CLAIMS, exp: Math.floor(stage.now() / 1000) + 90_000_000 }),
  ],
  [
    'a beginning to come',
    'assertion_iat',
    () => stage.say({ ...CLAIMS, iat: Math.floor(stage.now() / 1000) + 600 }),
  ],
  [
    'a key of somebody else',
    'assertion ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    () => stage.say(CLAIMS, stage.other),
  ],
  [
    'a key that it names itself',
    'assertion ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    async () => {
      const jwk = (await newSigner('k9')).jwk
      return stage.say(CLAIMS, stage.other, { jwk, jku: `${stage.site.url}/keys` })
    },
  ],
  [
    'no signature (alg none)',
    'assertion ERR_JOSE_ALG_NOT_ALLOWED',
    async () => {
      const [, payload] = (await stage.say(CLAIMS)).split('.')
      return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`
    },
  ],
  [
    'the public key as a secret (key confusion)',
    'assertion ERR_JOSE_ALG_NOT_ALLOWED',
    async () => {
      const iat = Math.floor(stage.now() / 1000)
      const secret = new TextEncoder().encode(JSON.stringify(stage.keys[0]))
      return new SignJWT({ ...CLAIMS, iss: stage.site.url, aud: stage.url, iat, exp: iat + 60 })
        .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
        .sign(secret)
    },
  ],
  ['the type of another token', 'assertion_type', () => stage.say(CLAIMS, stage.signer, { typ: 'at+jwt' })],
  [
    'changed claims',
    'assertion ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    async () => {
      const [head, , signature] = (await stage.say(CLAIMS)).split('.')
      const [, payload] = (await stage.say({ ...CLAIMS, extra: 1 })).split('.')
      return `${head}.${payload}.${signature}`
    },
  ],
  [
    'claims that no rule is about',
    'rule_none',
    () => stage.say({ ...CLAIMS, repository: 'northwind/other' }),
  ],
  [
    'a claim that only begins alike',
    'rule_none',
    () => stage.say({ ...CLAIMS, repository: 'northwind/billing-fork' }),
  ],
  ['a claim that is a list', 'rule_none', () => stage.say({ ...CLAIMS, repository: ['northwind/billing'] })],
  ['nonsense', 'issuer_unknown', async () => 'x'.repeat(300)],
])('an assertion with %s is worth nothing', async (_what, reason, make) => {
  expect(await stage.bring(await make())).toMatchObject({ status: 400, error: 'invalid_grant' })
  await expect.poll(() => stage.lastRefusal()).toBe(reason)
})

test('it is good once, and a flipped signature does not make another of it', async () => {
  const assertion = await stage.say(CLAIMS)
  const without = await stage.say({ ...CLAIMS, jti: undefined })
  for (const one of [assertion, without]) {
    expect(await stage.bring(one)).toMatchObject({ status: 200 })
    expect(await stage.bring(one)).toMatchObject({ error: 'invalid_grant' })
  }
  const [head, payload, signature = ''] = without.split('.')
  expect(await stage.bring(`${head}.${payload}.${flipped(signature)}`)).toMatchObject({
    error: 'invalid_grant',
  })
  await expect.poll(() => stage.lastRefusal()).toBe('assertion_replayed')
  const eight = await stage.say(CLAIMS)
  const answers = await Promise.all(Array.from({ length: 8 }, () => stage.bring(eight)))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
})

test('what comes by a rule ends with the rule, with its credential, with its agent', async () => {
  const { rules } = await stage.api.issuers.get({ issuerId: 'ci', ...HERE })
  const said = rules.map(({ agent: id, claims }) => ({ agent: id, claims }))
  await stage.api.revocations.create({ kind: 'credential', id: rules[0]?.credential ?? '' })
  expect(await stage.bring(await stage.say(CLAIMS))).toMatchObject({ status: 401, error: 'invalid_client' })
  await stage.api.issuers.update({ ...HERE, issuerId: 'ci', rules: [] })
  expect(await stage.bring(await stage.say(CLAIMS))).toMatchObject({ error: 'invalid_grant' })
  await stage.api.issuers.update({ ...HERE, issuerId: 'ci', rules: said })
  expect(await stage.bring(await stage.say(CLAIMS))).toMatchObject({ status: 200 })
  await stage.api.agents.suspend({ id: deploy.id })
  expect(await stage.bring(await stage.say(CLAIMS))).toMatchObject({ status: 401, error: 'invalid_client' })
  await stage.api.agents.resume({ id: deploy.id, reason: 'looked into' })
  const { items } = await stage.api.credentials.list({ agent: deploy.id })
  expect(items.map(({ kind, status }) => `${kind} ${status}`)).toEqual(['workload revoked', 'workload live'])
})

test('naming the agent, or its credential, is no proof of anything', async () => {
  const form = { client_id: deploy.id, resource: RESOURCE }
  for (const grant_type of ['client_credentials', JWT_BEARER])
    expect(await stage.send('/token', { ...form, grant_type })).toMatchObject({ status: 401 })
  expect(
    await stage.send('/token', {
      ...form,
      grant_type: 'client_credentials',
      assertion: await stage.say(CLAIMS),
    }),
  ).toMatchObject({ status: 401 })
})

test('whoever could be two is none, until it says which; of another organization’s rules nothing is taken', async () => {
  const rules = [{ agent: 'their-bot', claims: { repository: 'northwind/billing' } }]
  const theirs = await stage.agent('their-bot', 'autonomous', 'contoso')
  const organization = 'contoso'
  await stage.api.issuers.create({
    organization,
    name: 'ci',
    kind: 'workload',
    issuer: stage.site.url,
    rules,
  })
  expect(await stage.bring(await stage.say(CLAIMS))).toMatchObject({ error: 'invalid_grant' })
  await expect.poll(() => stage.lastRefusal()).toBe('rule_several')
  const named = await stage.bring(await stage.say(CLAIMS), { client_id: deploy.id })
  expect(decodeJwt(String(named['access_token']))['agent']).toBe(deploy.id)
  await stage.api.issuers.remove({ organization, issuerId: 'ci' })
  expect(await stage.bring(await stage.say(CLAIMS), { client_id: theirs.id })).toMatchObject({
    error: 'invalid_grant',
  })
  await expect(
    stage.api.issuers.create({ ...HERE, name: 'x', kind: 'workload', issuer: 'https://x.test', rules }),
  ).rejects.toMatchObject({ code: 'not_found' })
})

test('Kubernetes: a claim within others, and a token that comes more than once where that is allowed', async () => {
  const issuer = `${stage.site.url}/cluster`
  const pod = await stage.agent('pod-bot')
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
  const token = await stage.say(said)
  for (const _ of [1, 2])
    expect(decodeJwt(String((await stage.bring(token))['access_token']))['agent']).toBe(pod.id)
  const elsewhere = { namespace: 'dev', serviceaccount: { name: 'billing' } }
  expect(await stage.bring(await stage.say({ ...said, 'kubernetes.io': elsewhere }))).toMatchObject({
    status: 400,
  })
  expect(
    await stage.bring(await stage.say({ ...said, 'kubernetes.io': { namespace: 'prod' } })),
  ).toMatchObject({
    status: 400,
  })
})

test('SPIFFE: by the trust domain of the subject, with the keys of its bundle', async () => {
  const { key, kid, jwk } = await newSigner('spiffe-1')
  const spiffe = await stage.agent('spiffe-bot')
  await stage.api.issuers.create({
    ...{ ...HERE, name: 'mesh', kind: 'workload', issuer: 'spiffe://northwind.test' },
    jwks: { keys: [{ ...jwk, use: 'jwt-svid' }] },
    rules: [{ agent: 'spiffe-bot', claims: { sub: 'spiffe://northwind.test/ns/prod/*' } }],
  })
  const svid = (sub: string) => stage.say({ iss: undefined, iat: undefined, sub }, { key, kid })
  const answer = await stage.bring(await svid('spiffe://northwind.test/ns/prod/sa/billing'))
  expect(decodeJwt(String(answer['access_token']))['agent']).toBe(spiffe.id)
  for (const sub of [
    'spiffe://northwind.test/ns/dev/sa/billing',
    'spiffe://northwind.test.evil.test/ns/prod/sa/x',
    'spiffe://evil.test/ns/prod/sa/billing',
  ])
    expect(await stage.bring(await svid(sub)), sub).toMatchObject({ error: 'invalid_grant' })
  const foreign = { iss: 'spiffe://northwind.test', sub: 'spiffe://evil.test/ns/prod/sa/billing' }
  expect(await stage.bring(await stage.say(foreign, { key, kid }))).toMatchObject({ error: 'invalid_grant' })
  await expect.poll(() => stage.lastRefusal()).toBe('issuer_unknown')
})

test('a new key is found without a word, and nobody makes us ask without end', async () => {
  const next = await newSigner('k2')
  stage.keys.push(next.jwk)
  expect(await stage.bring(await stage.say(CLAIMS, next))).toMatchObject({ status: 200 })
  const before = stage.site.paths.length
  for (const kid of ['a', 'b', 'c'])
    expect(await stage.bring(await stage.say(CLAIMS, { key: stage.other.key, kid }))).toMatchObject({
      status: 400,
    })
  expect(stage.site.paths.length).toBe(before)
  for (let failures = 0; failures < 10; failures++)
    await stage.bring(await stage.say({ ...CLAIMS, aud: 'x' }))
  expect(await stage.bring(await stage.say(CLAIMS))).toMatchObject({ status: 429 })
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

/** An ECDSA signature in the other of the two ways in which it can be written. */
function flipped(signature: string): string {
  const bytes = Buffer.from(signature, 'base64url')
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
  const hex = s.toString(16).padStart(64, '0')
  return Buffer.concat([bytes.subarray(0, 32), Buffer.from(hex, 'hex')]).toString('base64url')
}
