import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAgent, describeServer, generateAgentKey, Halted } from '@valetkey/sdk/agent'
import { type CryptoKey, decodeJwt, importJWK } from 'jose'
import { expect, test } from 'vitest'
import {
  addPublicKey,
  RESOURCE,
  startWorld,
  type World,
} from '../../packages/server/src/oauth/testing/world.ts'

const wanted = { resource: RESOURCE }

/** Counts what goes to the token endpoint, and lets a test stand in its way. */
function watch(world: World) {
  const seen = { tokens: 0, down: false }
  const watched: typeof fetch = async (input, init) => {
    if (seen.down) throw new TypeError('fetch failed')
    if (String(input).endsWith('/token')) seen.tokens++
    return fetch(input, init)
  }
  return { seen, options: { issuer: world.issuer, clientId: world.agent, fetch: watched } }
}

test.each(['ES256', 'EdDSA'] as const)(
  'an agent proves itself by a %s key that it made itself',
  async alg => {
    await using world = await startWorld()
    const { privateKey, publicKey } = await generateAgentKey(alg)
    expect(publicKey).not.toHaveProperty('d')
    const credential = await addPublicKey(world.store, world.agent, publicKey)
    const options = { issuer: world.issuer, clientId: world.agent }
    const cryptoKey = await importJWK(privateKey, alg)
    for (const key of [privateKey, cryptoKey as CryptoKey]) {
      const claims = decodeJwt(await createAgent({ ...options, key }).token(wanted))
      expect(claims).toMatchObject({
        aud: RESOURCE,
        cred: credential,
        scope: expect.stringContaining('invoices:read'),
      })
    }
  },
)

test('the credential goes to the token endpoint of the authority and nowhere else, whatever a server says', async () => {
  await using world = await startWorld()
  const { options } = watch(world)
  const provider = createAgent({ ...options, secret: world.secret }).oauthProvider(RESOURCE)
  const headers = new Headers()
  const form = new URLSearchParams()
  for (const url of [
    'https://evil.test/token',
    `${world.issuer}/elsewhere`,
    `${world.issuer}.evil.test/token`,
    `${world.issuer}/token?to=evil.test`,
  ])
    await expect(provider.addClientAuthentication(headers, form, url)).rejects.toMatchObject({
      code: 'token.refused',
    })
  expect([...headers, ...form]).toEqual([])
  await provider.addClientAuthentication(headers, form, new URL(`${world.issuer}/token`))
  expect(headers.get('authorization')).toMatch(/^Basic /)
})

test.each([
  ['authorization_endpoint', 'javascript:alert(1)'],
  ['authorization_endpoint', 'file:///bin/sh'],
  ['token_endpoint', 'http://auth.test/token'],
  ['device_authorization_endpoint', 'http://auth.test/device'],
])('an authority that names a %s of %s is not used', async (name, url) => {
  const issuer = 'https://auth.test'
  const metadata = { issuer, token_endpoint: `${issuer}/token`, [name]: url }
  const agent = createAgent({
    ...{ issuer, clientId: 'bot', secret: 'vk_secret_x' },
    fetch: async input => {
      expect(String(input)).toMatch(/^https:\/\/auth\.test\/\.well-known\//)
      return Response.json(metadata)
    },
  })
  await expect(agent.token(wanted)).rejects.toMatchObject({
    code: 'config.invalid',
    message: expect.stringContaining(name),
  })
})

test('what a server says of itself is read beside it, and at no other address', async () => {
  const asked: string[] = []
  const server = 'https://mcp.test/mcp'
  const network: typeof fetch = async input => {
    asked.push(String(input))
    return new Response(null, {
      status: 401,
      headers: { 'www-authenticate': 'Bearer resource_metadata="http://169.254.169.254/latest/meta-data"' },
    })
  }
  await expect(describeServer(server, network)).rejects.toMatchObject({ code: 'not_found' })
  expect(asked.every(url => url.startsWith('https://mcp.test/'))).toBe(true)
})

test('an agent with a secret asks once for what it asks for at once, and again when the token is about to end', async () => {
  await using world = await startWorld()
  const { seen, options } = watch(world)
  let now = Date.now()
  const agent = createAgent({ ...options, secret: world.secret, now: () => now })
  const tokens = await Promise.all([1, 2, 3].map(() => agent.token(wanted)))
  expect(new Set(tokens).size).toBe(1)
  expect(await agent.token({ ...wanted, scope: 'invoices:read' })).not.toBe(tokens[0])
  expect(seen.tokens).toBe(2)
  now += 850_000
  expect(await agent.token(wanted)).not.toBe(tokens[0])
  expect(seen.tokens).toBe(3)
})

test('an agent lives through an authority that is away while its token is good', async () => {
  await using world = await startWorld()
  const { seen, options } = watch(world)
  let now = Date.now()
  const agent = createAgent({ ...options, secret: world.secret, now: () => now })
  seen.down = true
  await expect(agent.token(wanted)).rejects.toMatchObject({ code: 'authority.unreachable' })
  seen.down = false
  const token = await agent.token(wanted)
  seen.down = true
  now += 850_000
  expect(await agent.token(wanted)).toBe(token)
  now += 60_000
  await expect(agent.token(wanted)).rejects.toMatchObject({ code: 'authority.unreachable' })
})

test('an agent that is refused stops, and does not ask again for a while', async () => {
  await using world = await startWorld()
  const { seen, options } = watch(world)
  let now = Date.now()
  const agent = createAgent({ ...options, secret: 'vk_sec_wrong', now: () => now })
  for (let i = 0; i < 5; i++)
    await expect(agent.token(wanted)).rejects.toMatchObject({ code: 'agent.halted', status: 401 })
  expect(seen.tokens).toBe(1)
  now += 31_000
  await expect(agent.token(wanted)).rejects.toBeInstanceOf(Halted)
  expect(seen.tokens).toBe(2)
})

test('an authority under another name is refused before it sees a credential', async () => {
  await using world = await startWorld()
  const { seen, options } = watch(world)
  const issuer = world.issuer.replace('127.0.0.1', 'localhost')
  const agent = createAgent({ ...options, issuer, secret: world.secret })
  await expect(agent.token(wanted)).rejects.toMatchObject({ code: 'config.invalid' })
  expect(seen.tokens).toBe(0)
})

test('fetch adds the token, gets a fresh one when it is not accepted, and goes nowhere else', async () => {
  await using world = await startWorld()
  const { options } = watch(world)
  const shown: (string | undefined)[] = []
  const server = createServer((request, response) => {
    shown.push(request.headers.authorization)
    response.writeHead(shown.length === 1 ? 401 : 200).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await world.registerServer(`${origin}/mcp`)
  const authorized = createAgent({ ...options, secret: world.secret }).fetch(`${origin}/mcp`)
  expect((await authorized(`${origin}/mcp`, { method: 'POST', body: '{}' })).status).toBe(200)
  expect(shown).toHaveLength(2)
  expect(shown[0]).toMatch(/^DPoP /)
  expect(shown[1]).not.toBe(shown[0])
  for (const url of ['https://evil.example/mcp', `${origin}/other`, `${origin}/mcp2`])
    await expect(authorized(url)).rejects.toMatchObject({ code: 'request.invalid' })
  server.close()
})

test('a public key is no key to sign with', async () => {
  await using world = await startWorld()
  const { publicKey } = await generateAgentKey()
  const agent = createAgent({ issuer: world.issuer, clientId: world.agent, key: publicKey })
  await expect(agent.token(wanted)).rejects.toMatchObject({ code: 'config.invalid' })
})
