import { createHash, createHmac } from 'node:crypto'
import { request } from 'node:http'
import { createLocalJWKSet, decodeJwt, generateKeyPair, jwtVerify } from 'jose'
import { describe, expect, test, vi } from 'vitest'
import { beginChange } from '../store/index.ts'
import {
  ASSERTION_TYPE,
  addKey,
  addSecret,
  answerOf,
  BARE_RESOURCE,
  RESOURCE,
  startWorld,
  type World,
} from './testing/world.ts'

const form = { grant_type: 'client_credentials', resource: RESOURCE }
const bySecret = (world: World, more: Record<string, string> = {}) => ({
  ...form,
  client_id: world.agent,
  client_secret: world.secret,
  ...more,
})
const byKey = (assertion: string, more: Record<string, string> = {}) => ({
  ...form,
  client_assertion_type: ASSERTION_TYPE,
  client_assertion: assertion,
  ...more,
})
async function refusals(world: World) {
  await vi.waitFor(async () => expect(await world.events('token.refused')).not.toEqual([]))
  return world.events('token.refused')
}
/** The refusal that one request causes: what the caller is told and what the record says. */
async function refusal(world: World, response: Response) {
  const body = await answerOf(response)
  const [event] = (await refusals(world)).slice(-1)
  return { status: response.status, error: body.error, reason: event?.detail['reason'] }
}

describe('a token', () => {
  test('says who acts, by which credential, on which server, for fifteen minutes', async () => {
    await using world = await startWorld()
    const response = await world.token(bySecret(world))
    const body = await answerOf(response)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 900 })
    expect(body.scope).toBe('customers:read invoices:read invoices:refund')
    const keys = createLocalJWKSet(await world.authorizationServer.jwks())
    const { payload, protectedHeader } = await jwtVerify(body.access_token, keys)
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
    expect(payload).toEqual({
      iss: world.issuer,
      aud: RESOURCE,
      sub: world.agent,
      agent: world.agent,
      client_id: world.agent,
      org: world.organization,
      cred: world.secretCredential,
      scope: body.scope,
      jti: expect.stringMatching(/^atk_/),
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 900,
    })
  })

  test('is on record before it is handed out, without the token', async () => {
    await using world = await startWorld()
    const { access_token } = await answerOf(world.token(bySecret(world)))
    const [event, ...others] = await world.events('token.issued')
    expect(others).toEqual([])
    expect(event).toMatchObject({
      organization: world.organization,
      actor: world.agent,
      target: decodeJwt(access_token).jti,
      detail: { credential: world.secretCredential, audience: RESOURCE, address: '127.0.0.1' },
    })
    expect(JSON.stringify(await world.events())).not.toContain(world.secret)
    expect(JSON.stringify(await world.events())).not.toContain(access_token)
  })

  test('is signed with EdDSA where that is set, and older tokens stay verifiable', async () => {
    await using world = await startWorld()
    const old = await answerOf(world.token(bySecret(world)))
    await using next = await startWorld({ store: world.store, tokenAlgorithm: 'EdDSA' })
    const fresh = await answerOf(next.token(bySecret(next)))
    const keys = createLocalJWKSet(await next.authorizationServer.jwks())
    expect((await jwtVerify(fresh.access_token, keys)).protectedHeader.alg).toBe('EdDSA')
    expect((await jwtVerify(old.access_token, keys)).protectedHeader.alg).toBe('ES256')
  })

  test('notes when and from where its credential was used, without a revision', async () => {
    await using world = await startWorld()
    const revision = () =>
      world.store.db
        .selectFrom('organization')
        .select('revision')
        .where('id', '=', world.organization)
        .executeTakeFirst()
    const before = await revision()
    await world.token(bySecret(world))
    await vi.waitFor(async () => {
      const row = await world.store.db
        .selectFrom('credential')
        .select(['lastUsedAt', 'lastUsedFrom'])
        .where('id', '=', world.secretCredential)
        .executeTakeFirstOrThrow()
      expect(row).toEqual({ lastUsedAt: expect.any(String), lastUsedFrom: '127.0.0.1' })
    })
    expect(await revision()).toEqual(before)
  })
})

describe('authentication by secret', () => {
  test('works in the Authorization header', async () => {
    await using world = await startWorld()
    const basic = Buffer.from(`${world.agent}:${world.secret}`).toString('base64')
    const response = await world.token(form, { authorization: `Basic ${basic}` })
    expect(response.status).toBe(200)
  })

  test('takes every live secret of an agent, and names the one that was used', async () => {
    await using world = await startWorld()
    const second = await addSecret(world.store, world.agent)
    for (const [secret, credential] of [
      [world.secret, world.secretCredential],
      [second.secret, second.credential],
    ] as const) {
      const { access_token } = await answerOf(world.token(bySecret(world, { client_secret: secret })))
      expect(decodeJwt(access_token)['cred']).toBe(credential)
    }
  })

  test('refuses a wrong secret, and says why only in the record', async () => {
    await using world = await startWorld()
    const response = await world.token(bySecret(world, { client_secret: 'vks_wrong' }))
    expect(await response.clone().json()).toEqual({
      error: 'invalid_client',
      error_description: 'client authentication failed',
    })
    expect(await refusal(world, response)).toEqual({
      status: 401,
      error: 'invalid_client',
      reason: 'secret_unknown',
    })
    const [event] = await refusals(world)
    expect(event).toMatchObject({ actor: 'anonymous', organization: world.organization })
    expect(JSON.stringify(event)).not.toContain('vks_wrong')
  })

  test('refuses a secret that was revoked a moment ago', async () => {
    await using world = await startWorld()
    expect((await world.token(bySecret(world))).status).toBe(200)
    await world.store.write(tx =>
      tx
        .updateTable('credential')
        .set({ revokedAt: new Date().toISOString() })
        .where('id', '=', world.secretCredential)
        .execute(),
    )
    expect((await world.token(bySecret(world))).status).toBe(401)
  })

  test('refuses a secret that has expired', async () => {
    await using world = await startWorld()
    const expiresAt = new Date(Date.now() - 1000).toISOString()
    await world.store.write(tx =>
      tx.updateTable('credential').set({ expiresAt }).where('id', '=', world.secretCredential).execute(),
    )
    const response = await world.token(bySecret(world))
    expect(await refusal(world, response)).toMatchObject({ status: 401, reason: 'credential_expired' })
  })

  test('refuses the secret of another agent', async () => {
    await using world = await startWorld()
    await using other = await startWorld({ store: world.store })
    const response = await world.token(bySecret(world, { client_secret: other.secret }))
    expect(response.status).toBe(401)
  })
})

describe('authentication by key', () => {
  test('takes an assertion to the issuer, without a client_id, and names the key that signed', async () => {
    await using world = await startWorld()
    const second = await addKey(world.store, world.agent, 'EdDSA')
    const first = await answerOf(world.token(byKey(await world.assertion())))
    expect(decodeJwt(first.access_token)['cred']).toBe(world.keyCredential)
    const assertion = await world.assertion({}, { alg: 'EdDSA', kid: second.credential }, second.key)
    const other = await answerOf(world.token(byKey(assertion)))
    expect(decodeJwt(other.access_token)['cred']).toBe(second.credential)
  })

  test('finds the key by verifying where the kid is not ours', async () => {
    await using world = await startWorld()
    const second = await addKey(world.store, world.agent)
    for (const [key, credential] of [
      [world.key, world.keyCredential],
      [second.key, second.credential],
    ] as const) {
      const response = await world.token(byKey(await world.assertion({}, { kid: 'laptop' }, key)))
      expect(decodeJwt((await answerOf(response)).access_token)['cred']).toBe(credential)
    }
  })

  test('takes an assertion once: of eight that come together, one', async () => {
    await using world = await startWorld()
    const assertion = await world.assertion()
    const responses = await Promise.all(Array.from({ length: 8 }, () => world.token(byKey(assertion))))
    expect(responses.map(response => response.status).sort()).toEqual([200, ...Array(7).fill(401)])
    const again = await world.token(byKey(assertion))
    expect(await refusal(world, again)).toMatchObject({ status: 401, reason: 'assertion_replayed' })
  })

  const soon = () => Math.floor(Date.now() / 1000)
  test.each<[string, (world: World) => Promise<string>, string]>([
    ['to the token endpoint', w => w.assertion({ aud: `${w.issuer}/token` }), 'assertion_audience'],
    ['to a list that holds the issuer', w => w.assertion({ aud: [w.issuer] }), 'assertion_audience'],
    ['for longer than five minutes', w => w.assertion({ exp: soon() + 3600 }), 'assertion_lifetime'],
    ['from the future', w => w.assertion({ iat: soon() + 120, exp: soon() + 180 }), 'assertion_iat'],
    ['of another kind', w => w.assertion({}, { typ: 'at+jwt' }), 'assertion_type'],
    ['with an endless id', w => w.assertion({ jti: 'x'.repeat(500) }), 'assertion_jti'],
    ['from nobody known', w => w.assertion({ iss: 'agt_x', sub: 'agt_x' }), 'client_unknown'],
  ])('refuses an assertion %s', async (_, sign, reason) => {
    await using world = await startWorld()
    const response = await world.token(byKey(await sign(world)))
    expect(await refusal(world, response)).toEqual({ status: 401, error: 'invalid_client', reason })
  })

  test.each<[string, (world: World) => Promise<string>]>([
    ['to another issuer', w => w.assertion({ aud: 'https://evil.example' })],
    ['that has expired', w => w.assertion({ iat: soon() - 120, exp: soon() - 60 })],
    ['without an end', w => w.assertion({ exp: undefined })],
    ['without an id', w => w.assertion({ jti: undefined })],
    ['of another issuer for this agent', w => w.assertion({ iss: 'someone' })],
    [
      'by a key that is not the agent’s',
      async w => w.assertion({}, {}, (await generateKeyPair('ES256')).privateKey),
    ],
    [
      'that names our kid but another key',
      async w => w.assertion({}, { kid: w.keyCredential }, (await generateKeyPair('ES256')).privateKey),
    ],
    ['with alg none', async w => unsigned(await w.assertion())],
    ['signed with the public key as secret', async w => confused(w, await w.assertion())],
  ])('refuses an assertion %s', async (_, sign) => {
    await using world = await startWorld()
    const response = await world.token(byKey(await sign(world)))
    expect(await response.json()).toMatchObject({ error: 'invalid_client' })
    expect(response.status).toBe(401)
    expect(await world.events('token.issued')).toEqual([])
  })

  test.each(['', 'x', 'a.b.c', '..', 'e30.e30.e30', `${'a'.repeat(9000)}.b.c`])(
    'refuses "%.10s" as an assertion',
    async assertion => {
      await using world = await startWorld()
      const response = await world.token(byKey(assertion))
      expect([400, 401]).toContain(response.status)
    },
  )

  test('lets an old client name the token endpoint where that is allowed, and records it', async () => {
    await using world = await startWorld()
    await world.store.write(tx =>
      tx.updateTable('client').set({ legacyAudience: 1 }).where('id', '=', world.agent).execute(),
    )
    for (const aud of [`${world.issuer}/token`, [world.issuer, `${world.issuer}/token`]])
      expect((await world.token(byKey(await world.assertion({ aud })))).status).toBe(200)
    const [event] = await world.events('token.issued')
    expect(event?.detail).toMatchObject({ legacyAudience: true })
    const foreign = await world.assertion({ aud: [world.issuer, 'https://evil.example'] })
    expect((await world.token(byKey(foreign))).status).toBe(401)
  })

  function unsigned(assertion: string): string {
    const header = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
    return `${header}.${assertion.split('.')[1]}.`
  }
  async function confused(world: World, assertion: string): Promise<string> {
    const { publicJwk } = await world.store.db
      .selectFrom('credential')
      .select('publicJwk')
      .where('id', '=', world.keyCredential)
      .executeTakeFirstOrThrow()
    const text = `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${assertion.split('.')[1]}`
    const key = createHash('sha256')
      .update(publicJwk ?? '')
      .digest()
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
  }
})

describe('who may not act gets nothing', () => {
  test.each([
    ['a suspended agent', 'principal', 'agent', 'suspended', 'agent_suspended'],
    ['a retired agent', 'principal', 'agent', 'retired', 'agent_retired'],
    ['a pending agent', 'principal', 'agent', 'pending', 'agent_pending'],
    ['an agent whose owner is gone', 'principal', 'owner', 'retired', 'owner_retired'],
    ['an agent of a frozen organization', 'organization', 'organization', 'frozen', 'organization_frozen'],
  ] as const)('%s', async (_, table, who, status, reason) => {
    await using world = await startWorld()
    expect((await world.token(bySecret(world))).status).toBe(200)
    await world.store.write(tx =>
      tx
        .updateTable(table)
        .set({ status: status as never })
        .where('id', '=', world[who])
        .execute(),
    )
    const response = await world.token(bySecret(world))
    expect(await refusal(world, response)).toEqual({ status: 401, error: 'invalid_client', reason })
  })

  test('an agent that may act only for people', async () => {
    await using world = await startWorld()
    await world.store.write(tx =>
      tx.updateTable('agent').set({ kind: 'user_authorized' }).where('id', '=', world.agent).execute(),
    )
    const response = await world.token(bySecret(world))
    expect(await refusal(world, response)).toMatchObject({ status: 400, error: 'unauthorized_client' })
  })
})

describe('the resource', () => {
  test.each(['HTTPS://Billing.Example.com/mcp', 'https://billing.example.com:443/mcp'])(
    '%s is understood, and the token carries the registered form',
    async resource => {
      await using world = await startWorld()
      const { access_token } = await answerOf(world.token(bySecret(world, { resource })))
      expect(decodeJwt(access_token).aud).toBe(RESOURCE)
    },
  )

  test.each([
    ['', 'resource_missing'],
    ['https://billing.example.com/MCP', 'resource_unknown'],
    ['https://billing.example.com/mcp/', 'resource_unknown'],
    ['https://billing.example.com', 'resource_unknown'],
    ['https://billing.example.com/mcp#x', 'resource_unknown'],
    ['billing', 'resource_unknown'],
  ])('"%s" is invalid_target', async (resource, reason) => {
    await using world = await startWorld()
    const response = await world.token(bySecret(world, { resource }))
    expect(await refusal(world, response)).toEqual({ status: 400, error: 'invalid_target', reason })
  })

  test('named twice is invalid_target', async () => {
    await using world = await startWorld()
    const response = await world.token([
      ...Object.entries(bySecret(world)),
      ['resource', 'https://b.example'],
    ])
    expect(await refusal(world, response)).toMatchObject({ status: 400, error: 'invalid_target' })
  })

  test('of a frozen server is invalid_target at the next request', async () => {
    await using world = await startWorld()
    expect((await world.token(bySecret(world))).status).toBe(200)
    await world.store.write(async tx => {
      await beginChange(tx, 'catalogue', { actor: 'test', now: Date.now() })
      await tx.updateTable('server').set({ status: 'frozen' }).where('url', '=', RESOURCE).execute()
    })
    expect(await refusal(world, await world.token(bySecret(world)))).toMatchObject({
      reason: 'server_frozen',
    })
  })
})

describe('scope', () => {
  test.each([
    ['invoices:read', 'invoices:read'],
    ['invoices:*', 'invoices:read invoices:refund'],
    ['invoices:read customers:delete payroll:read', 'invoices:read'],
    ['openid offline_access invoices:read', 'invoices:read'],
    ['invoices:read invoices:read', 'invoices:read'],
  ])('asked for %s, gives %s', async (scope, granted) => {
    await using world = await startWorld()
    const body = await answerOf(world.token(bySecret(world, { scope })))
    expect(body.scope).toBe(granted)
    expect(decodeJwt(body.access_token)['scope']).toBe(granted)
  })

  test.each([
    ['customers:delete', 'scope_foreign'],
    ['offline_access', 'scope_foreign'],
  ])('asked for %s alone, gives nothing', async (scope, reason) => {
    await using world = await startWorld()
    const response = await world.token(bySecret(world, { scope }))
    expect(await refusal(world, response)).toEqual({ status: 400, error: 'invalid_scope', reason })
  })

  test('a server without rules gives nothing', async () => {
    await using world = await startWorld()
    const response = await world.token(bySecret(world, { resource: BARE_RESOURCE }))
    expect(await refusal(world, response)).toMatchObject({
      error: 'invalid_scope',
      reason: 'server_has_no_rules',
    })
  })
})

describe('bad requests', () => {
  test('a parameter given twice is refused', async () => {
    await using world = await startWorld()
    const response = await world.token([
      ...Object.entries(bySecret(world)),
      ['scope', 'a:b'],
      ['scope', 'a:c'],
    ])
    expect(await response.json()).toMatchObject({ error: 'invalid_request' })
  })

  test('two ways of authentication at once are refused', async () => {
    await using world = await startWorld()
    const response = await world.token(bySecret(world, byKey(await world.assertion())))
    expect(await response.json()).toMatchObject({ error: 'invalid_request' })
  })

  test('a secret in the URL is refused, and neither logged nor recorded', async () => {
    await using world = await startWorld()
    const query = new URLSearchParams(bySecret(world)).toString()
    const response = await fetch(`${world.issuer}/token?${query}`, {
      method: 'POST',
      body: new URLSearchParams(form),
    })
    expect(response.status).toBe(400)
    expect(JSON.stringify([await world.events(), world.logged])).not.toContain(world.secret)
  })

  test.each([
    ['GET', 405],
    ['PUT', 405],
    ['DELETE', 405],
  ])('%s is %i', async (method, status) => {
    await using world = await startWorld()
    const response = await fetch(`${world.issuer}/token`, { method })
    expect(response.status).toBe(status)
    expect(response.headers.get('allow')).toBe('POST, OPTIONS')
  })

  test('JSON is 415', async () => {
    await using world = await startWorld()
    const body = JSON.stringify(bySecret(world))
    const headers = { 'content-type': 'application/json' }
    expect((await fetch(`${world.issuer}/token`, { method: 'POST', body, headers })).status).toBe(415)
  })

  test('a body over the limit is 413', async () => {
    await using world = await startWorld()
    expect((await world.token(bySecret(world, { scope: 'x'.repeat(40_000) }))).status).toBe(413)
  })

  test('a body over the limit that hides its length is refused', async () => {
    await using world = await startWorld()
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(
        `${world.issuer}/token`,
        { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
        response => resolve(response.statusCode),
      )
      outgoing.on('error', reject)
      for (let i = 0; i < 8; i++) outgoing.write(`a${i}=${'x'.repeat(10_000)}&`)
      outgoing.end()
    })
    expect(status).toBe(400)
  })

  test.each(['password', 'authorization_code', 'refresh_token', 'implicit', ''])(
    'grant_type "%s" is not offered',
    async grant_type => {
      await using world = await startWorld()
      const response = await world.token(bySecret(world, { grant_type }))
      expect(response.status).toBe(400)
    },
  )

  test('a flood of failures is slowed down, and recorded at a bounded rate', async () => {
    await using world = await startWorld()
    const wrong = () => world.token(bySecret(world, { client_secret: 'vks_wrong' }))
    const statuses = []
    for (let i = 0; i < 120; i++) statuses.push((await wrong()).status)
    expect(statuses.slice(0, 10)).toEqual(Array(10).fill(401))
    expect(statuses.slice(10)).toEqual(Array(110).fill(429))
    expect((await wrong()).headers.get('retry-after')).toMatch(/^\d+$/)
    expect((await refusals(world)).length).toBeLessThan(100)
  })

  test('a database that is gone is 503, and no token', async () => {
    const world = await startWorld()
    await world.store.close()
    const response = await world.token(bySecret(world))
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ error: 'temporarily_unavailable' })
    await world[Symbol.asyncDispose]().catch(() => {})
  })
})
