import { createHash, createHmac } from 'node:crypto'
import { decodeJwt, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { byKey, bySecret, form, refusal, refusals } from '../testing/requests.ts'
import { addKey, addSecret, answerOf, startWorld, type World } from '../testing/world.ts'

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
    await world.change(tx =>
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
    await world.change(tx =>
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
    await world.change(tx =>
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
    await world.change(tx =>
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
    await world.change(tx =>
      tx.updateTable('agent').set({ kind: 'user_authorized' }).where('id', '=', world.agent).execute(),
    )
    const response = await world.token(bySecret(world))
    expect(await refusal(world, response)).toMatchObject({ status: 400, error: 'unauthorized_client' })
  })
})
