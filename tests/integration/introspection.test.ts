import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Person } from '../e2e/person.ts'
import { type OauthStage, REDIRECT, RESOURCE, startStage } from './oauth-stage.ts'

const INACTIVE = { status: 200, active: false }

let stage: OauthStage
let maya: Person
/** An agent with a secret of its own, which people may let act. */
let bot: { id: string; secret: string }
let serverKey: string

beforeAll(async () => {
  stage = await startStage()
  maya = await stage.signedUp()
  bot = await agent('desk-bot')
  serverKey = (await stage.api.serverKeys.create({ server: 'billing' })).key ?? ''
})
afterAll(() => stage?.[Symbol.asyncDispose]())

async function agent(name: string) {
  const { id } = await stage.api.agents.create({
    ...{ name, owner: 'maya@northwind.test', kind: 'both', ceiling: ['invoices:*'] },
  })
  const { secret } = await stage.api.credentials.create({ agent: id, kind: 'secret' })
  await stage.api.clients.register({ agent: id, redirectUris: [REDIRECT] })
  return { id, secret: secret ?? '' }
}

const proof = ({ id, secret } = bot) => ({ client_id: id, client_secret: secret })

/** Tokens by which the bot acts for Maya. */
async function authorized(scope = 'invoices:read offline_access') {
  const asked = stage.ask(bot.id, { scope })
  const answer = await stage.redeem(asked, await maya.decide(asked.url), { client_secret: bot.secret })
  return { access: String(answer['access_token']), refresh: String(answer['refresh_token']) }
}

const introspect = (token: string, by = proof()) => stage.send('/token/introspection', { token, ...by })
const introspectAsServer = (token: string, key = serverKey) =>
  stage.send('/token/introspection', { token }, { authorization: `Bearer ${key}` })
const refresh = (token: string) =>
  stage.send('/token', { grant_type: 'refresh_token', refresh_token: token, ...proof() })

test('a token of its own: who acts, for whom, by which grant, for which server, until when', async () => {
  const { access } = await authorized()
  const claims = decodeJwt(access)
  const answer = { status: 200, active: true, token_type: 'Bearer', ...claims }
  expect(await introspect(access)).toEqual(answer)
  expect(await introspectAsServer(access)).toEqual(answer)
  expect(claims['gid']).toMatch(/^gnt_/)
})

test('a refresh token, for its own client alone', async () => {
  const { refresh: token } = await authorized()
  expect(await introspect(token)).toMatchObject({
    ...{ active: true, client_id: bot.id, scope: 'invoices:read', aud: RESOURCE, agent: bot.id },
  })
  expect(await introspect(token)).not.toHaveProperty('token_type')
  expect(await introspectAsServer(token)).toEqual(INACTIVE)
})

test('whoever may not know learns nothing', async () => {
  const { access, refresh: token } = await authorized()
  const other = await agent('other-bot')
  await stage.api.servers.create({ name: 'crm', url: 'https://crm.test/mcp' })
  const { key } = await stage.api.serverKeys.create({ server: 'crm' })
  expect(await introspect(access, proof(other))).toEqual(INACTIVE)
  expect(await introspect(token, proof(other))).toEqual(INACTIVE)
  expect(await introspectAsServer(access, key ?? '')).toEqual(INACTIVE)
  for (const forged of [`${access.slice(0, -6)}AAAAAA`, `${token}x`, 'made-up', 'a.b.c'])
    expect(await introspect(forged), forged).toEqual(INACTIVE)
})

test('nobody asks without proof: no secret, a wrong one, a client that has none, a wrong server key', async () => {
  const { access } = await authorized()
  expect(await introspect(access, { ...proof(), client_secret: 'vks_wrong' })).toMatchObject({ status: 401 })
  expect(await stage.send('/token/introspection', { token: access })).toMatchObject({ status: 400 })
  const clientId = await stage.register()
  const asked = stage.ask(clientId)
  const open = await stage.redeem(asked, await maya.decide(asked.url))
  const token = String(open['access_token'])
  expect(await stage.send('/token/introspection', { token, client_id: clientId })).toEqual({
    ...{ status: 401, error: 'invalid_client', error_description: 'client authentication failed' },
  })
  expect(await introspectAsServer(token)).toMatchObject({ active: true })
  expect(await introspectAsServer(token, 'vk_srv_wrong')).toMatchObject({
    ...{ status: 401, error: 'invalid_token' },
  })
  expect(await introspectAsServer('')).toMatchObject({ status: 400, error: 'invalid_request' })
})

test.each<[string, (tokens: { access: string; refresh: string }) => Promise<unknown>]>([
  [
    'taken back by its client',
    ({ access }) => stage.send('/token/revocation', { token: access, ...proof() }),
  ],
  ['taken back with its grant', ({ access }) => stage.api.grants.revoke({ id: gid(access) })],
  ['older than its life', async () => stage.passTime(305_000)],
])('an access token that was %s is not good from that moment on', async (_how, end) => {
  const tokens = await authorized()
  expect(await introspect(tokens.access)).toMatchObject({ active: true })
  await end(tokens)
  expect(await introspect(tokens.access)).toEqual(INACTIVE)
  expect(await introspectAsServer(tokens.access)).toEqual(INACTIVE)
})

test('nor is one whose server is frozen, whose agent is suspended, whose person is gone', async () => {
  const { access } = await authorized()
  const holds = async (active: boolean) => expect(await introspectAsServer(access)).toMatchObject({ active })
  for (const [end, mend] of [
    [
      () => stage.api.servers.update({ id: 'billing', status: 'frozen' }),
      () => stage.api.servers.update({ id: 'billing', status: 'active', reason: 'looked into' }),
    ],
    [
      () => stage.api.agents.suspend({ id: bot.id }),
      () => stage.api.agents.resume({ id: bot.id, reason: 'looked into' }),
    ],
    [
      () => stage.api.people.update({ id: 'maya@northwind.test', status: 'suspended' }),
      () => stage.api.people.update({ id: 'maya@northwind.test', status: 'active', reason: 'looked into' }),
    ],
    [
      () => stage.api.organizations.freeze({ id: 'northwind' }),
      () => stage.api.organizations.thaw({ id: 'northwind', reason: 'looked into' }),
    ],
  ] as const) {
    await holds(true)
    await end()
    await holds(false)
    await mend()
  }
  await holds(true)
})

test('a refresh token is good until its successor is used up, its family ends, or the grant', async () => {
  const { refresh: first } = await authorized()
  const second = String((await refresh(first))['refresh_token'])
  expect(await introspect(second)).toMatchObject({ active: true })
  // Within the grace window the one before still gets this successor.
  expect(await introspect(first)).toMatchObject({ active: true })
  stage.passTime(31_000)
  expect(await introspect(first)).toEqual(INACTIVE)
  const third = String((await refresh(second))['refresh_token'])
  expect(third).not.toBe(second)
  expect(await introspect(first)).toEqual(INACTIVE)
  await refresh(first)
  expect(await introspect(third)).toEqual(INACTIVE)

  const other = await authorized()
  await stage.api.grants.revoke({ id: gid(other.access) })
  expect(await introspect(other.refresh)).toEqual(INACTIVE)
})

function gid(token: string): string {
  return String(decodeJwt(token)['gid'])
}
