import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadCatalogue } from '../../packages/server/src/directory/index.ts'
import { chainOf, type DelegationStage, EXCHANGE, startDelegationStage } from './delegation-stage.ts'
import { ACCESS_TOKEN, openService, type Service } from './forward-stage.ts'
import { type Answered, REDIRECT, RESOURCE } from './oauth-stage.ts'

const [CRM, LEDGER, VAULT] = ['https://crm.test/mcp', 'https://ledger.test/mcp', 'https://vault.test/mcp']

let stage: DelegationStage
let billing: Service
let crm: Service
let ledger: Service
beforeAll(async () => {
  stage = await startDelegationStage()
  const { api } = stage
  for (const [name, url] of [
    ['crm', CRM],
    ['ledger', LEDGER],
    ['vault', VAULT],
  ] as const) {
    await api.servers.create({ name, url })
    for (const permission of ['invoices:read', 'invoices:refund'])
      await api.tools.map({ server: name, kind: 'method', name: `x/${permission}`, permission })
  }
  ;[billing, crm, ledger] = [
    await openService(stage, 'billing'),
    await openService(stage, 'crm'),
    await openService(stage, 'ledger'),
  ]
  await api.forwards.allow({ server: 'billing', to: 'crm' })
  await api.forwards.allow({ server: 'crm', to: 'ledger' })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

type More = Record<string, string | undefined>

/** What a server is answered that wants to call another one, the CRM unless said otherwise. */
const forward = (by: Service, token: unknown, more: More = {}): Promise<Answered> =>
  by.forward(token, { resource: CRM, ...more })
const isActive = (token: unknown, at: Service): Promise<boolean> => at.isActive(token)

/** A token of an agent for the billing server. */
async function inbound(hand = stage.a, more: More = {}): Promise<string> {
  const answer = await hand.send('/token', {
    ...{ grant_type: 'client_credentials', resource: RESOURCE, ...more },
  })
  return String(answer['access_token'])
}

const claimsOf = ({ access_token: token }: Answered) => decodeJwt<Record<string, unknown>>(String(token))
const server = async (id: string) => (await stage.api.servers.get({ id })).id
/** The first key of a server. */
const keyOf = async (server: string) => (await stage.api.serverKeys.list({ server })).items[0]?.id

describe('a server that must call another one', () => {
  test('gets a token for it, for the same agent and person, bound to a key of its own', async () => {
    const { a, grant, url } = stage
    const token = await inbound(a, { grant_id: grant.id })
    const before = decodeJwt<Record<string, unknown>>(token)
    const answer = await forward(billing, token)
    expect(answer).toMatchObject({
      ...{ status: 200, token_type: 'DPoP', scope: 'invoices:read', issued_token_type: ACCESS_TOKEN },
    })
    expect(answer).not.toHaveProperty('refresh_token')
    const claims = claimsOf(answer)
    expect(claims).toMatchObject({
      ...{ aud: CRM, sub: grant.person, gid: grant.id, agent: a.id, cred: before['cred'] },
      cnf: { jkt: billing.jkt },
      fwd: [{ srv: await server('billing'), key: await keyOf('billing'), jti: before['jti'] }],
      act: {
        ...{ iss: url, sub: await server('billing'), sub_profile: 'service' },
        act: { iss: url, sub: a.id, sub_profile: 'ai_agent' },
      },
    })
    expect(claims['jti']).not.toBe(before['jti'])
    expect(Number(claims['exp'])).toBeLessThanOrEqual(Number(before['exp']))
    expect(await isActive(answer['access_token'], crm)).toBe(true)
    expect(await isActive(answer['access_token'], billing)).toBe(false)
  })

  test('with no more than the token had, whatever it asks for, and with less where it asks for less', async () => {
    const wide = await inbound()
    expect(await forward(billing, wide)).toMatchObject({ scope: 'invoices:read invoices:refund' })
    expect(await forward(billing, wide, { scope: 'invoices:read' })).toMatchObject({ scope: 'invoices:read' })
    const narrow = await inbound(stage.a, { scope: 'invoices:read tickets:read' })
    expect(await forward(billing, narrow, { scope: 'invoices:refund invoices:read' })).toMatchObject({
      scope: 'invoices:read',
    })
    expect(await forward(billing, narrow, { scope: 'invoices:refund' })).toMatchObject({
      ...{ status: 400, error: 'invalid_scope' },
    })
    const other = await inbound(stage.a, { scope: 'tickets:read' })
    expect(await forward(billing, other)).toMatchObject({ status: 400, error: 'invalid_scope' })
  })

  test('thunderid#5372: what the agent may carry today bounds it, not what the token says', async () => {
    const token = await inbound()
    await stage.api.agents.update({ id: 'alpha', ceiling: ['invoices:read'] })
    expect(await forward(billing, token)).toMatchObject({ scope: 'invoices:read' })
    await stage.api.agents.update({ id: 'alpha', ceiling: ['invoices:*', 'tickets:*'] })
  })

  test('for no longer than the token it was shown, nor than a delegation behind it', async () => {
    const { a, b } = stage
    const { answer } = await chainOf([a, b], { expires_in: '60' })
    const next = await forward(billing, answer['access_token'])
    expect(claimsOf(next)).toMatchObject({ dlg: claimsOf(answer)['dlg'], agent: b.id })
    expect(claimsOf(next)['exp']).toBe(claimsOf(answer)['exp'])
    expect(claimsOf(await forward(billing, await inbound()))['exp']).toBeLessThanOrEqual(
      Math.floor(stage.now() / 1000) + 300,
    )
  })

  test('from there to a third one, each by a rule of its own, until the chain is as long as one may be', async () => {
    const { a, b, c, d } = stage
    const first = await forward(billing, await inbound())
    const second = await forward(crm, first['access_token'], { resource: LEDGER })
    expect(claimsOf(second)['fwd']).toEqual([
      { srv: await server('billing'), key: await keyOf('billing'), jti: expect.any(String) },
      { srv: await server('crm'), key: await keyOf('crm'), jti: claimsOf(first)['jti'] },
    ])
    expect(await isActive(second['access_token'], ledger)).toBe(true)
    const { answer } = await chainOf([a, b, c, d])
    const third = await forward(billing, answer['access_token'])
    expect(third.status).toBe(200)
    expect(await forward(crm, third['access_token'], { resource: LEDGER })).toMatchObject({
      ...{ status: 400, error: 'unauthorized_client', error_description: 'a chain has 4 steps at most' },
    })
  })
})

const UNACCEPTABLE = { status: 400, error: 'invalid_request' }
const NOT_ALLOWED = { status: 400, error: 'unauthorized_client' }

describe('refused', () => {
  test('without a rule: default deny, in each direction, and never in a circle', async () => {
    const token = await inbound()
    for (const resource of [LEDGER, VAULT, RESOURCE])
      expect(await forward(billing, token, { resource }), resource).toMatchObject(NOT_ALLOWED)
    await stage.api.forwards.allow({ server: 'crm', to: 'billing' })
    const next = await forward(billing, token)
    expect(await forward(crm, next['access_token'], { resource: RESOURCE })).toMatchObject({
      ...{ ...NOT_ALLOWED, error_description: 'the call has been at that server before' },
    })
    await stage.api.forwards.disallow({ server: 'crm', to: 'billing' })
  })

  test('a token that is for another server, forged, ended, or of another kind', async () => {
    const token = await inbound()
    expect(await forward(crm, token, { resource: LEDGER })).toMatchObject(UNACCEPTABLE)
    const next = await forward(billing, token)
    expect(await forward(billing, next['access_token'])).toMatchObject(UNACCEPTABLE)
    const [head, body, signature] = token.split('.')
    const claims = { ...decodeJwt(token), agent: stage.b.id }
    const wider = Buffer.from(JSON.stringify(claims)).toString('base64url')
    for (const forged of [`${head}.${wider}.${signature}`, `${head}.${body}.`, 'a.b.c', ''])
      expect(await forward(billing, forged)).toMatchObject({ status: 400, error: 'invalid_request' })
    const late = await inbound()
    stage.passTime(901_000)
    expect(await forward(billing, late)).toMatchObject(UNACCEPTABLE)
    stage.passTime(-901_000)
  })

  test('a key that is no server key, one that was revoked, an agent, and nobody', async () => {
    const token = await inbound()
    const { key: own } = await stage.api.serverKeys.create({ server: 'billing' })
    const short = await openService(stage, 'billing', own ?? '')
    expect((await forward(short, token)).status).toBe(200)
    const { items } = await stage.api.serverKeys.list({ server: 'billing' })
    await stage.api.serverKeys.revoke({ server: 'billing', id: items.at(-1)?.id ?? '' })
    const UNKNOWN = { status: 401, error: 'invalid_client' }
    expect(await forward(short, token)).toMatchObject(UNKNOWN)
    for (const key of ['vk_srv_made-up', token])
      expect(await forward(await openService(stage, 'billing', key), token)).toMatchObject(UNKNOWN)
    const form = { grant_type: EXCHANGE, subject_token: token, subject_token_type: ACCESS_TOKEN }
    expect(await stage.a.send('/token', { ...form, resource: CRM })).toMatchObject(UNACCEPTABLE)
    expect((await stage.send('/token', { ...form, resource: CRM })).status).toBeGreaterThanOrEqual(400)
  })

  test('without a proof of a key, or with one that was shown before', async () => {
    const token = await inbound()
    const form = { grant_type: EXCHANGE, subject_token: token, subject_token_type: ACCESS_TOKEN }
    const headers = { authorization: `Bearer ${billing.key}` }
    const send = (more: Record<string, string>) =>
      stage.send('/token', { ...form, resource: CRM }, { ...headers, ...more })
    expect(await send({})).toMatchObject({ status: 400, error: 'invalid_dpop_proof' })
    await forward(billing, token)
    const dpop = await billing.prove()
    expect((await send({ dpop })).status).toBe(200)
    expect(await send({ dpop })).toMatchObject({ status: 400, error: 'invalid_dpop_proof' })
    const stale = await billing.prove('a nonce of somebody else')
    expect(await send({ dpop: stale })).toMatchObject({ error: 'use_dpop_nonce' })
  })

  test('a form that says something else', async () => {
    const token = await inbound()
    const wrong: [More, string][] = [
      [{ grant_type: 'client_credentials' }, 'unauthorized_client'],
      [{ subject_token_type: 'urn:made:up' }, 'invalid_request'],
      [{ subject_token_type: 'urn:valetkey:params:oauth:token-type:delegation' }, 'invalid_request'],
      [{ actor_token: token, actor_token_type: ACCESS_TOKEN }, 'invalid_request'],
      [{ requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }, 'invalid_request'],
      [{ audience: CRM }, 'invalid_target'],
      [{ resource: undefined }, 'invalid_target'],
      [{ resource: 'https://else.test/mcp' }, 'invalid_target'],
    ]
    for (const [more, error] of wrong)
      expect(await forward(billing, token, more), JSON.stringify(more)).toMatchObject({ status: 400, error })
  })

  test('a token that is limited to tools of the first server; limited to resources it goes on, with them', async () => {
    const { a, api, grant } = stage
    await api.tools.map({
      ...{ server: 'billing', name: 'read_invoice', permission: 'invoices:read' },
      ...{ definition: `sha256-${'A'.repeat(43)}`, inputSchema: {} },
    })
    const limited = (detail: object) =>
      inbound(a, { grant_id: grant.id, authorization_details: JSON.stringify([detail]) })
    const tool = await limited({ type: 'mcp_tool', identifier: 'read_invoice', actions: ['call'] })
    expect(await forward(billing, tool)).toMatchObject({ status: 400, error: 'invalid_target' })
    const detail = { type: 'resource', identifier: 'customer/acme', actions: ['invoices:read'] }
    const next = await forward(billing, await limited(detail))
    expect(claimsOf(next)).toMatchObject({ scope: 'invoices:read', authorization_details: [detail] })
  })

  test('a grant that is for the first server alone', async () => {
    const { api, a } = stage
    await api.clients.register({ agent: 'alpha', redirectUris: [REDIRECT] })
    const { secret } = await api.credentials.create({ agent: 'alpha', kind: 'secret' })
    const maya = await stage.signedUp()
    const asked = stage.ask(a.id, { scope: 'invoices:read' })
    const proof = { client_secret: secret ?? '' }
    const { access_token: token } = await stage.redeem(asked, await maya.decide(asked.url), proof)
    expect(decodeJwt<{ gid?: string }>(String(token)).gid).toBeDefined()
    expect(await forward(billing, token)).toMatchObject({ status: 400, error: 'invalid_target' })
  })
})

describe('what it rests on ends, and so does it, and nothing else', () => {
  type Ending = [string, (jti: string) => Promise<unknown>, (jti: string) => Promise<unknown>]
  const endings: Ending[] = [
    [
      'the token that was shown, frozen',
      id => stage.api.freezes.freeze({ kind: 'token', id }),
      id => stage.api.freezes.thaw({ kind: 'token', id, reason: 'looked into' }),
    ],
    [
      'the agent',
      () => stage.api.agents.suspend({ id: 'alpha' }),
      () => stage.api.agents.resume({ id: 'alpha', reason: 'looked into' }),
    ],
    [
      'the rule',
      () => stage.api.forwards.disallow({ server: 'billing', to: 'crm' }),
      () => stage.api.forwards.allow({ server: 'billing', to: 'crm' }),
    ],
    [
      'the server that called, frozen',
      () => stage.api.servers.update({ id: 'billing', status: 'frozen' }),
      () => stage.api.servers.update({ id: 'billing', status: 'active', reason: 'looked into' }),
    ],
    [
      'the server that is called, frozen',
      () => stage.api.servers.update({ id: 'crm', status: 'frozen' }),
      () => stage.api.servers.update({ id: 'crm', status: 'active', reason: 'looked into' }),
    ],
    [
      'everything',
      () => stage.api.freezes.freeze({ kind: 'all' }),
      () => stage.api.freezes.thaw({ kind: 'all', reason: 'looked into' }),
    ],
  ]
  test.each(endings)('%s', async (_, end, mend) => {
    const token = await inbound()
    const jti = String(decodeJwt(token).jti)
    const first = await forward(billing, token)
    const second = await forward(crm, first['access_token'], { resource: LEDGER })
    const standing = async () => [
      await isActive(first['access_token'], crm),
      await isActive(second['access_token'], ledger),
    ]
    expect(await standing()).toEqual([true, true])
    await end(jti)
    expect(await standing()).toEqual([false, false])
    expect((await forward(billing, token)).status).toBe(400)
    await mend(jti)
    expect(await standing()).toEqual([true, true])
  })

  test('the key by which the server asked, revoked: what it got by it, and what others got by that; no more', async () => {
    const { api } = stage
    const { id, key } = await api.serverKeys.create({ server: 'billing' })
    const short = await openService(stage, 'billing', key ?? '')
    const token = await inbound()
    const [gone, stays] = [await forward(short, token), await forward(billing, token)]
    const onward = await forward(crm, gone['access_token'], { resource: LEDGER })
    const standing = async () => [
      await isActive(gone['access_token'], crm),
      await isActive(onward['access_token'], ledger),
      await isActive(stays['access_token'], crm),
      await isActive(token, billing),
    ]
    expect(await standing()).toEqual([true, true, true, true])
    await api.serverKeys.revoke({ server: 'billing', id })
    expect(await standing()).toEqual([false, false, true, true])
    expect(await forward(crm, gone['access_token'], { resource: LEDGER })).toMatchObject(UNACCEPTABLE)
    expect((await forward(billing, token)).status).toBe(200)
  })

  test('the token that was shown, revoked; another one of the same agent goes on', async () => {
    const [one, other] = [await inbound(), await inbound()]
    const gone = await forward(billing, one)
    const stays = await forward(billing, other)
    await stage.a.send('/token/revocation', { token: one })
    expect(await isActive(gone['access_token'], crm)).toBe(false)
    expect(await isActive(stays['access_token'], crm)).toBe(true)
    expect(await forward(billing, one)).toMatchObject(UNACCEPTABLE)
  })
})

test('each is on record, with the server that calls and the token that it was shown', async () => {
  const token = await inbound()
  const answer = await forward(billing, token)
  await forward(billing, token, { resource: VAULT })
  const { items } = await stage.api.serverKeys.list({ server: 'billing' })
  expect(await stage.events('token.issued')).toContainEqual(
    expect.objectContaining({
      ...{ actor: stage.a.id, target: claimsOf(answer)['jti'] },
      detail: expect.objectContaining({
        ...{ server: await server('billing'), serverKey: items[0]?.id, audience: CRM },
        from: decodeJwt(token).jti,
      }),
    }),
  )
  // The organization hears of it: it is about a token of one of its agents.
  const { items: theirs } = await stage.api.audit.changes({
    organization: 'northwind',
    type: 'token.refused',
  })
  expect(theirs).toContainEqual(
    expect.objectContaining({
      detail: expect.objectContaining({
        reason: 'forward_rule',
        client: await server('billing'),
        audience: VAULT,
      }),
    }),
  )
})

describe('rules', () => {
  test('200: they are listed by name, and the same one again changes nothing', async () => {
    const { api } = stage
    const before = await stage.events('forward.allowed')
    expect(await api.forwards.allow({ server: 'billing', to: 'crm' })).toMatchObject({
      from: 'billing',
      to: 'crm',
    })
    expect((await api.forwards.list({ server: 'billing' })).items).toMatchObject([
      { from: 'billing', to: 'crm' },
    ])
    expect(await stage.events('forward.allowed')).toHaveLength(before.length)
  })

  test('400, 404, 409: of a server for itself, of one that is not there, of one that is retired', async () => {
    const { api } = stage
    await expect(api.forwards.allow({ server: 'crm', to: 'crm' })).rejects.toMatchObject({ status: 400 })
    await expect(api.forwards.allow({ server: 'crm', to: 'none' })).rejects.toMatchObject({ status: 404 })
    await expect(api.forwards.disallow({ server: 'vault', to: 'crm' })).rejects.toMatchObject({ status: 404 })
    await api.forwards.allow({ server: 'billing', to: 'vault' })
    const answer = await forward(billing, await inbound(), { resource: VAULT })
    expect(answer.status).toBe(200)
    await api.revocations.create({ kind: 'server', id: 'vault' })
    expect((await forward(billing, await inbound(), { resource: VAULT })).status).toBe(400)
    await expect(api.forwards.allow({ server: 'crm', to: 'vault' })).rejects.toMatchObject({ status: 409 })
  })
})

test('who followed every change knows of the same rules as who loads them now', async () => {
  const { api, authority } = stage
  const { db } = authority.store
  const held = new Map<string, string | null>()
  const follow = async () => {
    const rows = await db
      .selectFrom('changeLog')
      .select(['factId', 'value'])
      .where('fact', 'in', ['forward', 'server_key'])
      .orderBy('revision')
      .orderBy('ord')
      .execute()
    for (const { factId, value } of rows) held.set(factId, value)
    return [...held.values()].flatMap(value => (value === null ? [] : [JSON.parse(value)]))
  }
  const load = async () => {
    const { ops } = await loadCatalogue(db)
    return ops.flatMap(op =>
      (op.fact === 'forward' || op.fact === 'server_key') && op.value ? [op.value] : [],
    )
  }
  const sorted = (facts: object[]) => facts.map(fact => JSON.stringify(fact)).sort()
  await api.forwards.allow({ server: 'ledger', to: 'crm' })
  for (const status of ['frozen', 'active', 'frozen'] as const) {
    await api.servers.update({ id: 'crm', status, reason: 'looked into' })
    expect(sorted(await follow())).toEqual(sorted(await load()))
  }
  const before = await load()
  await api.revocations.create({ kind: 'server', id: 'ledger' })
  expect(sorted(await follow())).toEqual(sorted(await load()))
  // With its rule goes its key.
  expect(await load()).toHaveLength(before.length - 2)
})
