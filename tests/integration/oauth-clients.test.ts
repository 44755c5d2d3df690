import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { auth, ClientCredentialsProvider, PrivateKeyJwtProvider } from '@modelcontextprotocol/client'
import { decodeJwt, exportPKCS8 } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { expect, test } from 'vitest'
import { addKey, RESOURCE, startWorld, type World } from '../../packages/server/src/oauth/testing/world.ts'

/** Clients that nobody here wrote, configured as their documentation says. */

const INSECURE = { [oauth.allowInsecureRequests]: true }
const asked = new URLSearchParams({ resource: RESOURCE, scope: 'invoices:read' })

test.each(['/', '/auth'])(
  'oauth4webapi discovers, authenticates both ways and revokes (issuer path %s)',
  async path => {
    await using world = await startWorld({ path: path === '/' ? '' : path })
    const issuer = new URL(world.issuer)
    for (const algorithm of ['oauth2', 'oidc'] as const) {
      const discovery = await oauth.discoveryRequest(issuer, { algorithm, ...INSECURE })
      const as = await oauth.processDiscoveryResponse(issuer, discovery)
      const client: oauth.Client = { client_id: world.agent }
      for (const authentication of [
        oauth.ClientSecretPost(world.secret),
        oauth.ClientSecretBasic(world.secret),
        oauth.PrivateKeyJwt({ key: world.key, kid: world.keyCredential }),
      ]) {
        const response = await oauth.clientCredentialsGrantRequest(
          as,
          client,
          authentication,
          asked,
          INSECURE,
        )
        const answer = await oauth.processClientCredentialsResponse(as, client, response)
        expect(decodeJwt(answer.access_token)).toMatchObject({ aud: RESOURCE, scope: 'invoices:read' })
        const revocation = await oauth.revocationRequest(
          as,
          client,
          authentication,
          answer.access_token,
          INSECURE,
        )
        await oauth.processRevocationResponse(revocation)
      }
    }
    expect(await world.events('token.revoked')).toHaveLength(6)
  },
)

test('openid-client discovers and authenticates both ways', async () => {
  await using world = await startWorld()
  for (const authentication of [openid.ClientSecretPost(world.secret), openid.PrivateKeyJwt(world.key)]) {
    const options = { algorithm: 'oauth2' as const, execute: [openid.allowInsecureRequests] }
    const config = await openid.discovery(
      new URL(world.issuer),
      world.agent,
      undefined,
      authentication,
      options,
    )
    const answer = await openid.clientCredentialsGrant(config, asked)
    expect(decodeJwt(answer.access_token)['agent']).toBe(world.agent)
  }
})

test('oauth4webapi verifies an access token with the published keys', async () => {
  await using world = await startWorld()
  const issuer = new URL(world.issuer)
  const as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...INSECURE }),
  )
  const client: oauth.Client = { client_id: world.agent }
  const secret = oauth.ClientSecretPost(world.secret)
  const { access_token } = await oauth.processClientCredentialsResponse(
    as,
    client,
    await oauth.clientCredentialsGrantRequest(as, client, secret, asked, INSECURE),
  )
  const request = new Request(RESOURCE, { headers: { authorization: `Bearer ${access_token}` } })
  const claims = await oauth.validateJwtAccessToken(as, request, RESOURCE, INSECURE)
  expect(claims.sub).toBe(world.agent)
})

/** An MCP server as its clients meet it: protected resource metadata that names the authority. */
async function protectedResource(world: World) {
  const http = createServer((request, response) => {
    if (!request.url?.startsWith('/.well-known/oauth-protected-resource'))
      return response.writeHead(401).end()
    response.writeHead(200, { 'content-type': 'application/json' })
    return response.end(JSON.stringify({ resource: url, authorization_servers: [world.issuer] }))
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`
  await world.registerServer(url)
  return { url, [Symbol.dispose]: () => void http.close() }
}

test.each(['', '/auth'])(
  'the MCP SDK gets a token by secret, from a challenge (issuer path "%s")',
  async path => {
    await using world = await startWorld({ path })
    using resource = await protectedResource(world)
    const provider = new ClientCredentialsProvider({
      clientId: world.agent,
      clientSecret: world.secret,
      expectedIssuer: world.issuer,
    })
    const scope = 'invoices:read openid payroll:read'
    expect(await auth(provider, { serverUrl: resource.url, scope })).toBe('AUTHORIZED')
    expect(decodeJwt(provider.tokens()?.access_token ?? '')).toMatchObject({
      aud: resource.url,
      scope: 'invoices:read',
      cred: world.secretCredential,
    })
  },
)

test('the MCP SDK gets a token by key, from a challenge', async () => {
  await using world = await startWorld()
  using resource = await protectedResource(world)
  const { key, credential } = await addKey(world.store, world.agent)
  const provider = new PrivateKeyJwtProvider({
    clientId: world.agent,
    privateKey: await exportPKCS8(key),
    algorithm: 'ES256',
    expectedIssuer: world.issuer,
  })
  expect(await auth(provider, { serverUrl: resource.url })).toBe('AUTHORIZED')
  expect(decodeJwt(provider.tokens()?.access_token ?? '')).toMatchObject({
    aud: resource.url,
    cred: credential,
    scope: 'customers:read invoices:read invoices:refund',
  })
})
