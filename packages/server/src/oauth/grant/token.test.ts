import { request } from 'node:http'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, test, vi } from 'vitest'
import { beginChange } from '../../store/index.ts'
import { byKey, bySecret, form, refusal, refusals } from '../testing/requests.ts'
import { answerOf, BARE_RESOURCE, RESOURCE, startWorld } from '../testing/world.ts'

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

  test('is signed with EdDSA a quarter of an hour after that was set, and older tokens stay verifiable', async () => {
    await using world = await startWorld()
    const old = await answerOf(world.token(bySecret(world)))
    await using next = await startWorld({ store: world.store, tokenAlgorithm: 'EdDSA' })
    const soon = await answerOf(next.token(bySecret(next)))
    expect(decodeProtectedHeader(soon.access_token).alg).toBe('ES256')
    await using later = await startWorld({ store: world.store, now: () => Date.now() + 16 * 60_000 })
    const fresh = await answerOf(later.token(bySecret(later)))
    const keys = createLocalJWKSet(await next.authorizationServer.jwks())
    const currentDate = new Date(Date.now() + 16 * 60_000)
    expect((await jwtVerify(fresh.access_token, keys, { currentDate })).protectedHeader.alg).toBe('EdDSA')
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
    expect(status).toBe(413)
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
    // However long the machine takes for it, it comes all at once.
    const at = Date.now()
    await using world = await startWorld({ now: () => at })
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
