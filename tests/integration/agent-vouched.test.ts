import { createAgent, generateAgentKey } from '@valetkey/sdk/agent'
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { sendJson, startSite } from '../../packages/server/src/oauth/testing/loopback-site.ts'
import { RESOURCE, startStage } from './oauth-stage.ts'

/** Agents that somebody else vouches for: a platform for the program, an identity provider for the person. */

const EMAIL = 'maya@northwind.test'
const HERE = { organization: 'northwind' }

async function startIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }]
  let assertion = ''
  const site = await startSite((request, response) => {
    if (request.url?.endsWith('/keys')) return sendJson(response, { keys })
    // As an identity provider it gives its word for a sign-in (RFC 8693).
    if (request.url?.endsWith('/token'))
      return sendJson(response, {
        access_token: assertion,
        issued_token_type: 'urn:ietf:params:oauth:token-type:id-jag',
        token_type: 'N_A',
      })
    return sendJson(response, { issuer: site.url, jwks_uri: `${site.url}/keys` })
  })
  const sign = (claims: object, typ?: string) =>
    new SignJWT({ iss: site.url, jti: crypto.randomUUID(), ...claims })
      .setIssuedAt()
      .setExpirationTime('5m')
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...(typ && { typ }) })
      .sign(privateKey)
  return {
    site,
    sign,
    answerWith(text: string) {
      assertion = text
    },
  }
}

test('a workload is its agent by its platform’s word alone, with tokens bound to its own key', async () => {
  const { site, sign } = await startIssuer()
  await using stage = await startStage({ issuerPrivateHosts: site.host })
  const { id } = await stage.api.agents.create({
    name: 'ci',
    owner: EMAIL,
    kind: 'autonomous',
    ceiling: ['invoices:*'],
  })
  const rules = [{ agent: 'ci', claims: { repository: 'northwind/billing' } }]
  await stage.api.issuers.create({ ...HERE, name: 'ci', kind: 'workload', issuer: site.url, rules })
  let asked = 0
  const workload = () => {
    asked++
    return sign({ aud: stage.url, sub: 'repo', repository: 'northwind/billing' })
  }
  for (const options of [{}, { clientId: id }]) {
    const agent = createAgent({ issuer: stage.url, workload, ...options })
    expect(decodeJwt(await agent.token({ resource: RESOURCE }))).toMatchObject({ agent: id, aud: RESOURCE })
    const shown: Headers[] = []
    const bound = createAgent({
      ...{ issuer: stage.url, workload, ...options },
      fetch: async (input, init) => {
        if (String(input) !== RESOURCE) return fetch(input, init)
        shown.push(new Headers(init?.headers))
        return new Response()
      },
    })
    await bound.fetch(RESOURCE)(RESOURCE)
    const [, token = ''] = shown[0]?.get('authorization')?.split('DPoP ') ?? []
    expect(decodeJwt(token)).toMatchObject({ agent: id, cnf: { jkt: expect.any(String) } })
  }
  expect(asked).toBe(4)
  await site[Symbol.asyncDispose]()
})

test('a person is acted for by the word of their identity provider (ID-JAG)', async () => {
  const { site, sign, answerWith } = await startIssuer()
  await using stage = await startStage({ issuerPrivateHosts: site.host })
  await stage.signedUp()
  const { id } = await stage.api.agents.create({
    name: 'desk',
    owner: EMAIL,
    kind: 'both',
    ceiling: ['invoices:*'],
  })
  const { publicKey, privateKey: key } = await generateAgentKey()
  const { clientId } = await stage.api.credentials.create({ agent: id, publicKey: publicKey as never })
  const trusted = { name: 'okta', kind: 'enterprise' as const, issuer: site.url, byEmail: true }
  await stage.api.issuers.create({ ...HERE, ...trusted })
  const word = { aud: stage.url, client_id: clientId, resource: RESOURCE, sub: 'maya', email: EMAIL }
  answerWith(await sign({ ...word, email_verified: true, scope: 'invoices:read' }, 'oauth-id-jag+jwt'))
  const agent = createAgent({ issuer: stage.url, clientId, key, dpop: false })
  const maya = await agent.forUser({
    resource: RESOURCE,
    scope: 'invoices:read',
    by: {
      identityProvider: { tokenEndpoint: `${site.url}/token`, clientId: 'desk' },
      idToken: async () => 'the sign-in there',
    },
  })
  expect(decodeJwt(await maya.token({ resource: RESOURCE }))).toMatchObject({
    ...{ agent: id, scope: 'invoices:read', gid: expect.any(String) },
    sub: expect.stringMatching(/^usr_/),
  })
  await site[Symbol.asyncDispose]()
})
