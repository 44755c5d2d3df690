import { expect, test } from 'vitest'
import { answerOf, startWorld } from './testing/world.ts'

test('metadata is found at both well-known forms of an issuer without a path', async () => {
  await using world = await startWorld()
  for (const path of ['oauth-authorization-server', 'openid-configuration']) {
    const response = await fetch(`${world.origin}/.well-known/${path}`)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('cache-control')).toBe('public, max-age=300')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(await response.json()).toMatchObject({
      issuer: world.issuer,
      token_endpoint: `${world.issuer}/token`,
      jwks_uri: `${world.issuer}/jwks`,
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'client_secret_basic', 'client_secret_post'],
      token_endpoint_auth_signing_alg_values_supported: expect.arrayContaining(['ES256', 'EdDSA']),
      grant_types_supported: [
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:jwt-bearer',
      ],
    })
  }
})

test('metadata is found at every form that clients probe for an issuer with a path', async () => {
  await using world = await startWorld({ path: '/auth' })
  for (const path of [
    '/.well-known/oauth-authorization-server/auth',
    '/.well-known/openid-configuration/auth',
    '/auth/.well-known/openid-configuration',
  ]) {
    const metadata = await answerOf(fetch(world.origin + path))
    expect(metadata.issuer).toBe(`${world.origin}/auth`)
    expect(metadata.token_endpoint).toBe(`${world.origin}/auth/token`)
  }
  for (const path of ['oauth-authorization-server', 'openid-configuration'])
    expect((await fetch(`${world.origin}/.well-known/${path}`)).status).toBe(404)
})

test('tokens are issued under an issuer with a path, whatever Host is named', async () => {
  await using world = await startWorld({ path: '/auth' })
  const form = { grant_type: 'client_credentials', client_id: world.agent, client_secret: world.secret }
  const response = await world.token(
    { ...form, resource: 'https://billing.example.com/mcp' },
    { host: 'evil.example' },
  )
  expect(response.status).toBe(200)
})

test('the key set holds public keys only', async () => {
  await using world = await startWorld()
  const response = await fetch(`${world.issuer}/jwks`)
  expect(response.headers.get('content-type')).toBe('application/jwk-set+json')
  const { keys } = await answerOf(response)
  const key = {
    ...{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: expect.stringMatching(/^key_/) },
    ...{ x: expect.any(String), y: expect.any(String) },
  }
  expect(keys).toEqual([key, key])
})

test('private keys are stored sealed, and none is made by a second start', async () => {
  await using world = await startWorld()
  await using _second = await startWorld({ store: world.store })
  const rows = await world.store.db.selectFrom('signingKey').selectAll().execute()
  expect(rows).toHaveLength(2)
  for (const row of rows) expect(row.sealedPrivateJwk).toMatch(/^v1\./)
})

test('a browser may ask from any origin', async () => {
  await using world = await startWorld()
  const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' }
  const preflight = await fetch(`${world.issuer}/token`, { method: 'OPTIONS', headers })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
  expect(preflight.headers.get('access-control-allow-methods')).toBe('POST')
  const response = await world.token({}, { origin: 'https://app.example' })
  expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example')
})

test.each([
  '/authorize',
  '/auth',
  '/me',
  '/reg',
  '/session/end',
  '/request',
  '/device',
  '/TOKEN',
  '/token/',
  '/interaction/x',
])('%s is not there', async path => {
  await using world = await startWorld()
  expect(world.authorizationServer.serves(path)).toBe(false)
  for (const method of ['GET', 'POST'])
    expect((await fetch(world.origin + path, { method })).status).toBe(404)
})

test.each([
  'https://issuer.example/',
  'https://ISSUER.example',
  'https://issuer.example?x',
  'issuer',
  'ftp://issuer.example',
])('the issuer may not be %s', async issuer => {
  await expect(startWorld({ issuer })).rejects.toMatchObject({ code: 'config.invalid' })
})
