import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  Client,
  DpopSession,
  generateDpopKeyPair,
  StreamableHTTPClientTransport,
  withDpop,
} from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GatewayStage, startGatewayStage } from './gateway-stage.ts'
import { createLibrary, LIBRARY_RULES } from './library.ts'
import { type Sent, say } from './say.ts'
import { openTokenSigner, type TokenSigner } from './signed-token.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

const SEARCH = { name: 'search', arguments: { q: 'x' } }

let world: World
let signer: TokenSigner
let guarded: GuardedServer
let parsed: GuardedServer
let strict: GatewayStage
let upstream: Server
let keyPair: Awaited<ReturnType<typeof generateDpopKeyPair>>
let session: DpopSession

/** A point, the token of the agent for it bound to the agent's key, and the same token unbound. */
interface Place {
  url: string
  bound: string
  free: string
}
const places: Record<string, Place> = {}

beforeAll(async () => {
  world = await startWorld()
  signer = await openTokenSigner(world)
  keyPair = await generateDpopKeyPair()
  session = await DpopSession.create({ keyPair })
  const library = createLibrary()
  const serving = { handler: library.handler, rules: LIBRARY_RULES }
  guarded = await world.serve({ name: 'guarded', ...serving })
  parsed = await world.serve({
    ...{ name: 'parsed', ...serving },
    listener: (guard, handler) => express().use(express.json(), guard.node(handler)),
  })
  const serve = toNodeHandler({ fetch: request => Promise.resolve(library.handler(request, {} as never)) })
  upstream = createServer((request, response) => void serve(request as never, response))
  await new Promise<void>(resolve => void upstream.listen(0, '127.0.0.1', resolve))
  const bot = await world.identify('support-bot')
  strict = await startGatewayStage(world, {
    ...{ name: 'strict', rules: LIBRARY_RULES },
    upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/mcp`,
    gateway: { proofs: { nonces: true } },
  })
  for (const [name, url] of Object.entries({
    guarded: guarded.url,
    parsed: parsed.url,
    gateway: strict.url,
  })) {
    const free = await bot.token(url)
    places[name] = { url, free, bound: signer.change(free, { cnf: { jkt: session.thumbprint } }) }
  }
})
afterAll(async () => {
  await strict[Symbol.asyncDispose]()
  upstream.closeAllConnections()
  await new Promise(resolve => upstream.close(resolve))
  await world[Symbol.asyncDispose]()
})

function place(name: string): Place {
  return places[name] ?? { url: '', bound: '', free: '' }
}

/** Shows a token with a proof, and once more with the nonce where one is asked for. */
async function prove(url: string, token: string, sent: Sent & { by?: DpopSession } = {}) {
  const { by = session } = sent
  const once = async (nonce?: string) => {
    const proof = await by.buildProof({ htm: 'POST', htu: url, accessToken: token, ...(nonce && { nonce }) })
    const headers = { authorization: `DPoP ${token}`, dpop: proof, ...sent.headers }
    return { proof, reply: await say(url, 'tools/call', SEARCH, { ...sent, headers }) }
  }
  const first = await once()
  const nonce = first.reply.headers.get('dpop-nonce')
  return nonce === null ? first : once(nonce)
}

describe.each(['guarded', 'gateway'])('%s', name => {
  test('a bound token with a proof of its key is served, in both eras', async () => {
    const { url, bound } = place(name)
    for (const era of ['legacy', 'modern'] as const) {
      const { reply } = await prove(url, bound, { era })
      expect(reply.status).toBe(200)
      expect(reply.text).not.toContain('isError":true')
    }
  })

  test('the official client with a key of its own works as it is', async () => {
    const { url, bound } = place(name)
    const own = await DpopSession.create({ keyPair })
    const client = new Client({ name: 'agent', version: '1' })
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      fetch: withDpop(own, async () => bound)(fetch),
    })
    await client.connect(transport)
    const result = await client.callTool(SEARCH)
    expect(result.isError).not.toBe(true)
    await client.close()
  })

  test('401: stolen, without the key: by itself, with another key, with a proof that was seen', async () => {
    const { url, bound } = place(name)
    const bearer = await say(url, 'tools/call', SEARCH, { token: bound })
    expect(bearer.status).toBe(401)
    expect(bearer.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token", .*without a proof/)
    const { proof, reply } = await prove(url, bound)
    expect(reply.status).toBe(200)
    const replayed = await say(url, 'tools/call', SEARCH, {
      headers: { authorization: `DPoP ${bound}`, dpop: proof },
    })
    expect(replayed.status).toBe(401)
    expect(replayed.headers.get('www-authenticate')).toMatch(
      /^DPoP error="invalid_dpop_proof", .*shown before.*, resource_metadata=".+", scope=".+", algs="ES256 EdDSA Ed25519"$/,
    )
    const thief = await prove(url, bound, { by: await DpopSession.create() })
    expect(thief.reply.status).toBe(401)
    expect(thief.reply.body.error.message).toContain('bound to another key')
  })

  test('a stolen token that was shown is on record under the name of its owner', async () => {
    const { url, bound } = place(name)
    await say(url, 'tools/call', SEARCH, { token: bound })
    const shown = () => world.calls({ reason: 'token_invalid', agent: 'support-bot' }, 1)
    await expect.poll(shown).toContainEqual(
      expect.objectContaining({
        ...{ decision: 'deny', agentName: 'support-bot', arguments: null },
        detail: expect.stringContaining('without a proof'),
      }),
    )
  })

  test('401: a token that is bound to no key needs none, and with one it is refused', async () => {
    const { url, free } = place(name)
    expect((await say(url, 'tools/call', SEARCH, { token: free })).status).toBe(200)
    expect((await prove(url, free)).reply.body.error.message).toContain('not bound to a key')
  })

  test('401: two proofs, and a proof for another server', async () => {
    const { url, bound } = place(name)
    const proofs = [1, 2].map(() => session.buildProof({ htm: 'POST', htu: url, accessToken: bound }))
    const authorization = `DPoP ${bound}`
    const two = await say(url, 'tools/call', SEARCH, {
      headers: { authorization, dpop: (await Promise.all(proofs)).join(', ') },
    })
    expect(two.body.error.message).toContain('not one JWT')
    const elsewhere = await session.buildProof({ htm: 'POST', htu: world.billing.url, accessToken: bound })
    const other = await say(url, 'tools/call', SEARCH, { headers: { authorization, dpop: elsewhere } })
    expect(other.body.error.message).toContain('another address')
  })

  test('what may be asked for with a proof is said where there is no token, and in the metadata', async () => {
    const { url } = place(name)
    const { headers } = await say(url, 'tools/call', SEARCH)
    expect(headers.get('www-authenticate')).toMatch(
      /^Bearer resource_metadata=".+", scope=".+", DPoP algs="ES256 EdDSA Ed25519"$/,
    )
    const metadata = new URL('/.well-known/oauth-protected-resource', url)
    expect(await (await fetch(metadata)).json()).toMatchObject({
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'],
    })
  })
})

test('a point that demands nonces asks with 401, and takes the proof that has one', async () => {
  const { url, bound } = place('gateway')
  const own = await DpopSession.create({ keyPair })
  const proof = await own.buildProof({
    htm: 'POST',
    htu: url,
    accessToken: bound,
  })
  const asked = await say(url, 'tools/call', SEARCH, {
    headers: { authorization: `DPoP ${bound}`, dpop: proof },
  })
  expect(asked.status).toBe(401)
  expect(asked.headers.get('www-authenticate')).toMatch(/^DPoP error="use_dpop_nonce"/)
  expect(asked.headers.get('dpop-nonce')).toMatch(/^[\w-]{20,}$/)
})

test('403 is a challenge of the scheme that the token was shown with', async () => {
  const { url, free } = place('guarded')
  const bound = signer.change(free, { cnf: { jkt: session.thumbprint }, scope: '' })
  const { reply } = await prove(url, bound)
  expect(reply.headers.get('www-authenticate')).toMatch(/^(DPoP error="insufficient_scope")/)
})

test('a bound body is checked where it is known as it was sent, and refused where it is not', async () => {
  const jose = await import('jose')
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: SEARCH })
  const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
  const call = async (name: string, sent: string) => {
    const { url, bound } = place(name)
    const ath = createHash('sha256').update(bound).digest('base64url')
    const proof = (nonce?: string) =>
      new jose.SignJWT({
        jti: crypto.randomUUID(),
        htm: 'POST',
        htu: url,
        ath,
        content_digest: digest,
        ...(nonce && { nonce }),
      })
        .setIssuedAt()
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: session.publicJwk })
        .sign(keyPair.privateKey)
    const post = async (nonce?: string) =>
      fetch(url, {
        method: 'POST',
        headers: {
          ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
          ...{ authorization: `DPoP ${bound}`, dpop: await proof(nonce) },
        },
        body: sent,
      })
    const first = await post()
    const nonce = first.headers.get('dpop-nonce')
    return nonce === null ? first : post(nonce)
  }
  for (const name of ['guarded', 'gateway']) {
    expect((await call(name, body)).status).toBe(200)
    expect((await call(name, body.replace('"x"', '"y"'))).status).toBe(401)
  }
  expect(await (await call('parsed', body)).text()).toContain('another body')
})
