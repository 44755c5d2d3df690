import { randomUUID } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OauthStage, RESOURCE, startStage } from './oauth-stage.ts'

type Form = Parameters<OauthStage['send']>[1]

const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Two installations that look the same: organization, server, agent, names, and even the master key. */
let staging: OauthStage
let production: OauthStage

beforeAll(async () => {
  const stages = await Promise.all([startStage(), startStage()])
  for (const { api } of stages) {
    await api.agents.create({ name: 'desk-bot', owner: 'maya@northwind.test', ceiling: ['invoices:*'] })
    await api.assignments.create({ principal: 'agent:desk-bot', role: 'clerk' })
  }
  ;[staging, production] = stages
})
afterAll(() => Promise.all([staging, production].map(stage => stage?.[Symbol.asyncDispose]())))

const tokenBy = (stage: OauthStage, proof: Form) =>
  stage.send('/token', { grant_type: 'client_credentials', resource: RESOURCE, ...proof })

test('a secret of one environment opens nothing in another', async () => {
  const { clientId, secret } = await staging.api.credentials.create({ agent: 'desk-bot', kind: 'secret' })
  const proof = { client_id: clientId, client_secret: secret ?? '' }
  expect((await tokenBy(staging, proof)).status).toBe(200)
  expect(await tokenBy(production, proof)).toMatchObject({ status: 401, error: 'invalid_client' })
  const { items } = await production.api.agents.list({})
  expect(await tokenBy(production, { ...proof, client_id: items[0]?.id })).toMatchObject({
    ...{ status: 401, error: 'invalid_client' },
  })
})

test('a key that both know proves itself to one of them at a time', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  const clients = []
  for (const { api } of [staging, production])
    clients.push((await api.credentials.create({ agent: 'desk-bot', publicKey: jwk as never })).clientId)
  const [inStaging = '', inProduction = ''] = clients
  const kid = await calculateJwkThumbprint(jwk)
  const assertionOf = (client: string, audience: string) =>
    new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid })
      .setIssuer(client)
      .setSubject(client)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(privateKey)
  const show = async (stage: OauthStage, client: string, audience: string) =>
    (
      await tokenBy(stage, {
        ...{ client_id: client, client_assertion_type: ASSERTION },
        client_assertion: await assertionOf(client, audience),
      })
    ).status
  expect(await show(staging, inStaging, staging.url)).toBe(200)
  expect(await show(production, inProduction, production.url)).toBe(200)
  expect(await show(production, inProduction, staging.url)).toBe(401)
  expect(await show(production, inStaging, production.url)).toBe(401)
})

test('a token of one environment is none in another, nor is a key of a server or an administrator', async () => {
  const made = await staging.api.credentials.create({ agent: 'desk-bot', kind: 'secret' })
  const { access_token } = await tokenBy(staging, {
    client_id: made.clientId,
    client_secret: made.secret ?? '',
  })
  const keyOf = async ({ api }: OauthStage) => (await api.serverKeys.create({ server: 'billing' })).key ?? ''
  const introspect = (stage: OauthStage, key: string) =>
    stage.send('/token/introspection', { token: String(access_token) }, { authorization: `Bearer ${key}` })
  expect(await introspect(staging, await keyOf(staging))).toMatchObject({ status: 200, active: true })
  expect(await introspect(production, await keyOf(production))).toEqual({ status: 200, active: false })
  expect((await introspect(production, await keyOf(staging))).status).toBe(401)
  const { token } = await staging.api.apiTokens.create({ name: 'operator', permissions: ['agent:read'] })
  const list = ({ url }: OauthStage) =>
    fetch(`${url}/api/agents`, { headers: { authorization: `Bearer ${token}` } })
  expect((await list(staging)).status).toBe(200)
  expect((await list(production)).status).toBe(401)
})
