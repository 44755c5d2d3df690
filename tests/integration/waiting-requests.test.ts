import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type MailSink, openMailSink } from '../e2e/mail-sink.ts'
import type { Person } from '../e2e/person.ts'
import { type Answered, type OauthStage, RESOURCE, startStage } from './oauth-stage.ts'

/** Requests that a person answers somewhere else: by a code that they type, or because an agent named them. */

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
const CIBA = 'urn:openid:params:grant-type:ciba'
const EMAIL = 'maya@northwind.test'

let stage: OauthStage
let mails: MailSink
let maya: Person

beforeAll(async () => {
  mails = await openMailSink()
  stage = await startStage({ deviceGrant: true, mailUrl: mails.url, mailFrom: 'auth@valetkey.test' })
  maya = await stage.signedUp()
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await mails?.close()
})
// Limits count per quarter of an hour.
beforeEach(() => stage.passTime(16 * 60_000))

/** Waits a little longer than the interval, for the authority. */
const passInterval = () => stage.passTime(6_000)

test('codes are off where nobody has switched them on, and the metadata says what there is', async () => {
  const metadata = async (url: string) =>
    (await (await fetch(`${url}/.well-known/oauth-authorization-server`)).json()) as Record<string, unknown>
  expect(await metadata(stage.url)).toMatchObject({
    device_authorization_endpoint: `${stage.url}/device_authorization`,
    backchannel_authentication_endpoint: `${stage.url}/bc-authorize`,
    backchannel_token_delivery_modes_supported: ['poll'],
    grant_types_supported: expect.arrayContaining([DEVICE, CIBA]),
  })
  await using plain = await startStage({ ciba: false })
  expect(await metadata(plain.url)).not.toHaveProperty('device_authorization_endpoint')
  expect(await metadata(plain.url)).not.toHaveProperty('backchannel_authentication_endpoint')
  for (const path of ['/device_authorization', '/bc-authorize'])
    expect((await fetch(plain.url + path, { method: 'POST' })).status).toBe(404)
  expect((await fetch(`${plain.url}/device`)).status).toBe(404)
  const form = { grant_type: DEVICE, client_id: await plain.register(), device_code: 'x' }
  expect(await plain.send('/token', form)).toMatchObject({ status: 400, error: 'unsupported_grant_type' })
})

describe('by a code', () => {
  /** A program that shows a code, and comes again. */
  async function begin(more: Record<string, string> = {}, clientId?: string) {
    const client = clientId ?? (await stage.register({ client_name: 'Terminal' }))
    const form = { client_id: client, resource: RESOURCE, scope: 'invoices:read invoices:refund', ...more }
    const answer = await stage.send('/device_authorization', form)
    const poll = (by = client) =>
      stage.send('/token', {
        ...{ grant_type: DEVICE, client_id: by, device_code: String(answer['device_code']) },
      })
    return { client, answer, poll, code: String(answer['user_code']) }
  }
  /** Types a code, and gives the page that comes of it. */
  async function type(code: string, person = maya) {
    const { browser } = person
    return browser.send(await person.look(`${stage.url}/device`), 'name="code"', { code })
  }

  test('somebody types it, sees who asks from where, and gives less; the program hears of it', async () => {
    const { answer, poll, code } = await begin({ scope: 'invoices:read invoices:refund offline_access' })
    expect(answer).toMatchObject({
      ...{ status: 200, verification_uri: `${stage.url}/device`, expires_in: 600, interval: 5 },
      user_code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/),
    })
    // Nothing leads to a code of somebody else's but typing it.
    expect(answer).not.toHaveProperty('verification_uri_complete')
    expect(await poll()).toMatchObject({ status: 400, error: 'authorization_pending' })
    const page = await type(code.toLowerCase().replace('-', ' '))
    expect(page.text).toContain('“Terminal”')
    expect(page.text).toContain('waits on another device, from the address 127.0.0.1')
    expect(page.text).toContain('Allow it only if you have just started it yourself')
    passInterval()
    expect(await poll()).toMatchObject({ error: 'authorization_pending' })
    const done = await maya.answer(page, { scope: ['invoices:read'] })
    expect(done.text).toContain('That is answered')
    const tokens = await poll()
    expect(tokens).toMatchObject({ status: 200, scope: 'invoices:read', refresh_token: expect.anything() })
    expect(decodeJwt(String(tokens['access_token']))).toMatchObject({ aud: RESOURCE, gid: expect.anything() })
    const kept = await stage.authority.store.db.selectFrom('waitingRequest').selectAll().execute()
    for (const secret of [String(answer['device_code']), code, code.replace('-', '')])
      expect(JSON.stringify(kept)).not.toContain(secret)
  })

  test('whoever comes sooner than told is slowed down', async () => {
    const { poll } = await begin()
    expect(await poll()).toMatchObject({ error: 'authorization_pending' })
    expect(await poll()).toMatchObject({ status: 400, error: 'slow_down' })
    passInterval()
    expect(await poll()).toMatchObject({ error: 'authorization_pending' })
  })

  test('an answer is good once; the second time ends what it began', async () => {
    const { poll, code } = await begin()
    await maya.answer(await type(code), { scope: ['invoices:read'] })
    const both = await Promise.all([poll(), poll()])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 400])
    const tokens = both.find(({ status }) => status === 200)
    const grant = String(decodeJwt(String(tokens?.['access_token']))['gid'])
    expect(await stage.api.grants.get({ id: grant })).toMatchObject({ status: 'revoked' })
  })

  test('a no, an end, another client, another server', async () => {
    const refused = await begin()
    await maya.answer(await type(refused.code), { action: 'deny' })
    expect(await refused.poll()).toMatchObject({ status: 400, error: 'access_denied' })
    const late = await begin()
    const page = await type(late.code)
    stage.passTime(601_000)
    expect(await late.poll()).toMatchObject({ status: 400, error: 'expired_token' })
    expect((await maya.answer(page)).status).toBe(400)
    const mine = await begin()
    await maya.answer(await type(mine.code), { scope: ['invoices:read'] })
    expect(await mine.poll(await stage.register())).toMatchObject({ error: 'invalid_grant' })
    const form = {
      grant_type: DEVICE,
      client_id: mine.client,
      device_code: String(mine.answer['device_code']),
    }
    expect(await stage.send('/token', { ...form, resource: 'https://else.test/mcp' })).toMatchObject({
      error: 'invalid_target',
    })
    expect(await mine.poll()).toMatchObject({ status: 200 })
  })

  test.each([
    ['an unknown server', { resource: 'https://else.test/mcp' }, 'invalid_target'],
    ['no server', { resource: '' }, 'invalid_target'],
    ['an unknown client', { client_id: 'cli_unknown' }, 'invalid_client'],
    ['details of no type', { authorization_details: '[{"type":"bank"}]' }, 'invalid_authorization_details'],
  ])('a request with %s waits for nobody', async (_what, more, error) => {
    const { answer } = await begin(more)
    expect(answer).toMatchObject({ error })
  })

  test('codes are not found by trying, and nobody types who is not signed in', async () => {
    const { code } = await begin()
    const stranger = await fetch(`${stage.url}/device`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ code }),
    })
    expect(stranger.status).toBe(403)
    for (let tries = 0; tries < 5; tries++)
      expect((await type(`BCDF-BCD${'GHJKL'[tries]}`)).text).toContain('No program waits for that code')
    const slow = await type(code)
    expect(slow.text).toContain('Too many tries')
    stage.passTime(16 * 60_000)
  })

  test('a code of one’s own does not buy more tries', async () => {
    const { code } = await begin()
    for (let tries = 0; tries < 4; tries++)
      expect((await type(`BCDF-BCD${'GHJK'[tries]}`)).text).toContain('No program waits for that code')
    expect((await type(code)).text).toContain('Terminal')
    expect((await type('BCDF-BCDL')).text).toContain('No program waits for that code')
    expect((await type('BCDF-BCDM')).text).toContain('Too many tries')
    stage.passTime(16 * 60_000)
  })

  test('a code in the address does nothing, and looking changes nothing', async () => {
    const { code, poll } = await begin()
    const page = await maya.look(`${stage.url}/device?user_code=${code}`)
    expect(page.text).not.toContain(code)
    const asked = await type(code)
    await Promise.all([maya.browser.open(asked.url), maya.browser.open(asked.url)])
    passInterval()
    expect(await poll()).toMatchObject({ error: 'authorization_pending' })
  })
})

describe('by the name of a person', () => {
  let bot: { id: string; secret: string }
  beforeAll(async () => {
    bot = await agent('night-bot')
  })

  async function agent(name: string, kind: 'both' | 'autonomous' = 'both') {
    const { id } = await stage.api.agents.create({ name, owner: EMAIL, kind, ceiling: ['invoices:*'] })
    const { secret } = await stage.api.credentials.create({ agent: id, kind: 'secret' })
    return { id, secret: secret ?? '' }
  }

  async function ask(more: Record<string, string> = {}, by = bot) {
    const proof = { client_id: by.id, client_secret: by.secret }
    const form = { login_hint: EMAIL, resource: RESOURCE, scope: 'invoices:read', ...proof, ...more }
    const answer = await stage.send('/bc-authorize', form)
    const poll = (): Promise<Answered> =>
      stage.send('/token', { grant_type: CIBA, auth_req_id: String(answer['auth_req_id']), ...proof })
    return { answer, poll }
  }
  const waitingAt = async (person: Person) => {
    const page = await person.look(`${stage.url}/agents`)
    return [...page.text.matchAll(/href="(\/waiting\/[^"]+)"/g)].map(([, path]) => stage.url + path)
  }

  test('it is mailed and shown, answered on the page as always, and fetched by the agent', async () => {
    const { answer, poll } = await ask({ binding_message: 'Month end: 14 invoices of Acme' })
    expect(answer).toMatchObject({
      status: 200,
      expires_in: 3600,
      interval: 5,
      auth_req_id: expect.anything(),
    })
    expect(await poll()).toMatchObject({ error: 'authorization_pending' })
    const [url = ''] = await waitingAt(maya)
    await expect
      .poll(() => mails.mails.find(({ text }) => text.includes(url))?.text)
      .toContain('Month end: 14 invoices of Acme')
    const page = await maya.look(url)
    expect(page.text).toContain('night-bot')
    expect(page.text).toContain('It says: “Month end: 14 invoices of Acme”')
    await maya.answer(page, { scope: ['invoices:read'] })
    const tokens = await poll()
    expect(tokens).toMatchObject({ status: 200, scope: 'invoices:read' })
    expect(tokens).not.toHaveProperty('id_token')
    expect(decodeJwt(String(tokens['access_token']))).toMatchObject({ agent: bot.id, gid: expect.anything() })
    expect(await waitingAt(maya)).toEqual([])
    await expect
      .poll(() => stage.events('person.asked'))
      .toContainEqual(expect.objectContaining({ actor: bot.id }))
  })

  test('it is for that person alone', async () => {
    await stage.api.people.create({ email: 'jon@northwind.test', name: 'Jon' })
    const jon = await stage.signedUp('jon@northwind.test')
    const { poll } = await ask()
    const [url = ''] = await waitingAt(maya)
    expect((await jon.look(url)).status).toBe(400)
    expect(await waitingAt(jon)).toEqual([])
    await maya.answer(await maya.look(url), { action: 'deny' })
    expect(await poll()).toMatchObject({ error: 'access_denied' })
  })

  test.each([
    ['nobody', { login_hint: 'nobody@northwind.test' }, 'unknown_user_id'],
    ['no person', { login_hint: '' }, 'invalid_request'],
    ['a message with an address', { binding_message: 'see https://evil.test' }, 'invalid_binding_message'],
    ['a message of two lines', { binding_message: 'one\ntwo' }, 'invalid_binding_message'],
    ['a code of the person', { user_code: '1234' }, 'invalid_request'],
    ['a wrong secret', { client_secret: 'wrong' }, 'invalid_client'],
    ['an unknown server', { resource: 'https://else.test/mcp' }, 'invalid_target'],
  ])('a request with %s asks nobody', async (_what, more, error) => {
    const { answer } = await ask(more)
    expect(answer).toMatchObject({ error })
    expect(await waitingAt(maya)).toEqual([])
  })

  test('a program that proves nothing may not ask, nor an agent that acts for itself alone', async () => {
    const form = { client_id: await stage.register(), login_hint: EMAIL, resource: RESOURCE }
    expect(await stage.send('/bc-authorize', form)).toMatchObject({ status: 401, error: 'invalid_client' })
    const { answer } = await ask({}, await agent('cron-bot', 'autonomous'))
    expect(answer).toMatchObject({ error: 'unauthorized_client' })
  })

  test('nobody is asked without end', async () => {
    const pushy = await agent('pushy-bot')
    for (let count = 0; count < 5; count++)
      expect((await ask({}, pushy)).answer).toMatchObject({ status: 200 })
    expect((await ask({}, pushy)).answer).toMatchObject({ status: 400, error: 'access_denied' })
    await stage.api.agents.suspend({ id: pushy.id })
    expect(await waitingAt(maya)).toEqual([])
  })

  test('nor where others ask them too', async () => {
    const pushy = await agent('restless-bot')
    expect((await ask({}, pushy)).answer).toMatchObject({ status: 200 })
    const { db } = stage.authority.store
    const mine = db.selectFrom('waitingRequest').selectAll().where('clientId', '=', pushy.id)
    const own = await mine.executeTakeFirstOrThrow()
    // So many older ones of other clients.
    const others = Array.from({ length: 60 }, (_, n) => {
      const number = String(n).padStart(26, '0')
      return { ...own, id: `wrq_${number}`, secretHash: number, clientId: `of another ${n}` }
    })
    await db.insertInto('waitingRequest').values(others).execute()
    for (let count = 1; count < 5; count++)
      expect((await ask({}, pushy)).answer).toMatchObject({ status: 200 })
    expect((await ask({}, pushy)).answer).toMatchObject({ status: 400, error: 'access_denied' })
    await db.deleteFrom('waitingRequest').where('clientId', 'like', 'of another %').execute()
    await stage.api.agents.suspend({ id: pushy.id })
  })

  test('it ends with the agent, with the grant, and with the person', async () => {
    const other = await agent('dawn-bot')
    const first = await ask({}, other)
    const [url = ''] = await waitingAt(maya)
    await stage.api.agents.suspend({ id: other.id })
    expect(await first.poll()).toMatchObject({ error: 'invalid_client' })
    expect((await maya.look(url)).status).toBe(403)
    await stage.api.agents.resume({ id: other.id, reason: 'looked into' })

    await maya.answer(await maya.look(url), { scope: ['invoices:read'] })
    const { items } = await stage.api.grants.list({ agent: other.id })
    await stage.api.grants.revoke({ id: items[0]?.id ?? '' })
    expect(await first.poll()).toMatchObject({ error: 'invalid_grant' })

    const last = await ask({}, other)
    await stage.api.agents.update({ id: other.id, owner: 'jon@northwind.test' })
    await stage.api.people.update({ id: EMAIL, status: 'suspended' })
    expect(await last.poll()).toMatchObject({ error: 'access_denied' })
    await stage.api.people.update({ id: EMAIL, status: 'active', reason: 'looked into' })
  })

  test('what is taken back for good is not asked for any more, also once agent and person are back', async () => {
    const other = await agent('dusk-bot')
    await stage.api.people.create({ email: 'lee@northwind.test', name: 'Lee' })
    const lee = await stage.signedUp('lee@northwind.test')
    await lee.look(`${stage.url}/account`)
    expect((await ask({ login_hint: 'lee@northwind.test' }, other)).answer).toMatchObject({ status: 200 })
    const [url = ''] = await waitingAt(lee)
    expect(url).toContain('/waiting/')
    await stage.api.revocations.create({ kind: 'agent', id: other.id })
    await stage.api.agents.resume({ id: other.id, reason: 'looked into' })
    expect(await waitingAt(lee)).toEqual([])
    expect((await lee.look(url)).text).toContain('That is answered')

    await stage.api.people.create({ email: 'kim@northwind.test', name: 'Kim' })
    const asked = await ask({ login_hint: 'kim@northwind.test' })
    await stage.api.revocations.create({ kind: 'person', id: 'kim@northwind.test' })
    await stage.api.people.update({ id: 'kim@northwind.test', status: 'active', reason: 'looked into' })
    expect(await asked.poll()).toMatchObject({ error: 'access_denied' })
  })
})
