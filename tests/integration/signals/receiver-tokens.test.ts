import * as oauth from 'oauth4webapi'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { openStage } from './stage.ts'

const stage = await openStage()
const { site, askToken, receiver, granted } = stage
afterAll(stage.close)
beforeEach(stage.reset)

test('from the metadata alone a receiver finds where it gets its tokens, and for what', async () => {
  const crm = await receiver()
  const read = async (path: string) => (await fetch(site.url + path)).json()
  const transmitter = await read('/.well-known/ssf-configuration')
  expect(transmitter.authorization_schemes).toContainEqual({ spec_urn: 'urn:ietf:rfc:6749' })
  const insecure = { [oauth.allowInsecureRequests]: true }
  const resource = new URL(`${site.url}/signals`)
  const described = await oauth.resourceDiscoveryRequest(resource, insecure)
  const { authorization_servers, scopes_supported } = await oauth.processResourceDiscoveryResponse(
    resource,
    described,
  )
  expect(scopes_supported).toEqual(['ssf.read', 'ssf.manage'])
  const issuer = new URL(authorization_servers?.[0] ?? '')
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  const server = await oauth.processDiscoveryResponse(issuer, found)
  const client = { client_id: crm.id }
  const secret = crm.secret
  for (const proof of [oauth.ClientSecretBasic(secret), oauth.ClientSecretPost(secret)]) {
    const asked = await oauth.clientCredentialsGrantRequest(
      ...([server, client, proof, { scope: 'ssf.read ssf.manage' }, insecure] as const),
    )
    const answer = await oauth.processClientCredentialsResponse(server, client, asked)
    expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 900, scope: 'ssf.read ssf.manage' })
    expect(await crm.call('GET', '/streams', undefined, answer.access_token)).toMatchObject({ status: 200 })
  }
  const { items } = await site.api.audit.changes({ type: 'token.issued', limit: 1 })
  expect(items[0]).toMatchObject({
    ...{ actor: crm.id, detail: { client: crm.id, audience: `${site.url}/signals` } },
  })
  expect(JSON.stringify(items)).not.toContain(secret)
  await crm.drop()
})

test('a token does what its scope says: reading reads, managing manages', async () => {
  const crm = await receiver()
  const [reads, manages] = [await crm.tokenFor('ssf.read'), await crm.tokenFor('ssf.manage openid')]
  const { body: stream } = await crm.call('POST', '/streams', {}, manages)
  const { stream_id } = stream
  const reading = [
    ['GET', '/streams'],
    ['GET', `/status?stream_id=${stream_id}`],
    ['POST', `/poll/${stream_id}`, { returnImmediately: true }],
  ] as const
  const managing = [
    ['POST', '/verify', { stream_id }],
    ['PATCH', '/streams', { stream_id, description: 'ours' }],
    ['PUT', '/streams', { stream_id }],
    ['POST', '/status', { stream_id, status: 'paused' }],
    ['DELETE', `/streams?stream_id=${stream_id}`],
    ['POST', '/streams', {}],
  ] as const
  for (const [calls, yes, no, needs] of [
    [reading, reads, manages, 'ssf.read'],
    [managing, manages, reads, 'ssf.manage'],
  ] as const)
    for (const [method, path, sent] of calls) {
      const refused = await crm.call(method, path, sent, no)
      expect(refused, `${method} ${path}`).toMatchObject({ status: 403 })
      expect(refused.challenge).toContain(`scope="${needs}", error="insufficient_scope"`)
      const taken = await crm.call(method, path, sent, yes)
      expect(Math.floor(taken.status / 100), `${method} ${path}`).toBe(2)
    }
  await crm.drop()
})

test('the token endpoint gives a receiver nothing else, and nobody without its secret anything', async () => {
  const [crm, other] = [await receiver(), await receiver()]
  const secret = crm.secret
  const refusals = [
    [secret, { scope: 'tickets:read' }, 400, 'invalid_scope'],
    [secret, { scope: 'ssf.*' }, 400, 'invalid_scope'],
    [secret, { resource: 'https://desk.test/mcp' }, 400, 'invalid_target'],
    [secret, { grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'invalid_request'],
    [secret, { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange' }, 400, 'invalid_request'],
    ['vk_signal_guess', {}, 401, 'invalid_client'],
    [other.secret, {}, 401, 'invalid_client'],
  ] as const
  for (const [shown, more, status, error] of refusals)
    expect(await askToken(crm.id, shown, more), JSON.stringify(more)).toMatchObject({
      ...{ status, body: { error } },
    })
  const { items } = await site.api.audit.changes({ type: 'token.refused', limit: 1 })
  expect(items[0]).toMatchObject({ organization: crm.organization, target: crm.id })
  for (const [path, body, status = 401] of [
    ['/token', { grant_type: 'client_credentials', client_id: crm.id }],
    ['/token/introspection', { token: crm.token, client_id: crm.id, client_secret: secret }],
    ['/par', { client_id: crm.id, client_secret: secret, response_type: 'code' }],
    ['/delegations', { client_id: crm.id, client_secret: secret }, 400],
  ] as const) {
    const answer = await fetch(site.url + path, { method: 'POST', body: new URLSearchParams(body) })
    expect(answer.status, path).toBe(status)
  }
  const asAdmin = await fetch(`${site.url}/api/agents`, {
    headers: { authorization: `Bearer ${crm.token}` },
  })
  expect(asAdmin.status).toBe(401)
  for (const { drop } of [crm, other]) await drop()
})

test('what an agent gets for a server at the address of the streams counts for nothing there', async () => {
  const crm = await receiver()
  const resource = `${site.url}/signals`
  await site.api.servers.create({ name: 'in-the-way', url: resource })
  await site.api.tools.map({
    ...{ server: 'in-the-way', name: 'read', permission: 'tickets:read', risk: 'read' },
    ...{ definition: `sha256-${'a'.repeat(43)}`, inputSchema: { type: 'object' } },
  })
  const agent = await site.agent('asker', { ceiling: ['tickets:read'] })
  const { status, body } = await askToken(agent.id, agent.secret ?? '', { resource })
  expect([status, body['scope']]).toEqual([200, 'tickets:read'])
  const token = body['access_token'] ?? ''
  expect(await crm.call('GET', '/streams', undefined, token)).toMatchObject({ status: 401 })
  await crm.drop()
})

test('a token that was taken back, by whomever, opens nothing; nor one of a secret that is no more', async () => {
  const { grant } = await granted()
  const crm = await receiver({ pushes: false })
  const { body: stream } = await crm.call('POST', '/streams', {})
  const reads = (token: string) => crm.call('GET', '/streams', undefined, token)
  const [first, second, third] = [await crm.tokenFor(), await crm.tokenFor(), await crm.tokenFor()]
  const jti = JSON.parse(Buffer.from(first.split('.')[1] ?? '', 'base64url').toString()).jti
  await site.api.revocations.create({ organization: 'northwind', kind: 'token', id: jti })
  expect(await reads(first)).toMatchObject({ status: 401 })

  const revoke = (by: { id: string; secret: string }) =>
    fetch(`${site.url}/token/revocation`, {
      method: 'POST',
      body: new URLSearchParams({ token: second, client_id: by.id, client_secret: by.secret }),
    })
  const other = await receiver()
  expect((await revoke(other)).status).toBe(400)
  expect(await reads(second)).toMatchObject({ status: 200 })
  expect((await revoke(crm)).status).toBe(200)
  expect(await reads(second)).toMatchObject({ status: 401 })

  await crm.call('POST', `/poll/${stream.stream_id}`, { ack: [], returnImmediately: true }, third)
  const waiting = crm.call('POST', `/poll/${stream.stream_id}`, {}, third)
  const { secret } = await site.api.signalReceivers.rotateSecret({
    ...{ organization: 'northwind', receiver: crm.name },
  })
  await site.api.grants.revoke({ organization: 'northwind', id: grant })
  expect(await waiting).toMatchObject({ status: 401 })
  expect(await reads(third)).toMatchObject({ status: 401 })
  expect(await askToken(crm.id, crm.secret)).toMatchObject({ status: 401 })
  const fresh = await crm.tokenFor(undefined, secret)
  expect(await reads(fresh)).toMatchObject({ status: 200, body: [{ stream_id: stream.stream_id }] })
  await crm.drop()
  expect(await reads(fresh)).toMatchObject({ status: 401 })
  expect(await askToken(crm.id, secret)).toMatchObject({ status: 401 })
  await other.drop()
})
