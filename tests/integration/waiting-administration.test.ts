import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Person } from '../e2e/person.ts'
import { type Answered, type OauthStage, RESOURCE, startStage } from './oauth-stage.ts'
import { start } from './product.ts'
import { openTerminal } from './terminal.ts'
import { askSomebody } from './waiting.ts'

/** What waits for a person, as those see it who are responsible for the agents. */

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
const CIBA = 'urn:openid:params:grant-type:ciba'
const MAYA = 'maya@northwind.test'

let stage: OauthStage
let maya: Person

beforeAll(async () => {
  stage = await startStage({ deviceGrant: true })
  maya = await stage.signedUp()
})
afterAll(async () => stage?.[Symbol.asyncDispose]())
beforeEach(() => stage.passTime(16 * 60_000))

async function agent(name: string) {
  const { id } = await stage.api.agents.create({ name, owner: MAYA, kind: 'both', ceiling: ['invoices:*'] })
  const { secret } = await stage.api.credentials.create({ agent: id, kind: 'secret' })
  return { id, name, proof: { client_id: id, client_secret: secret ?? '' } }
}
type Bot = Awaited<ReturnType<typeof agent>>

async function ask(by: Bot, message = 'Month end') {
  const form = { login_hint: MAYA, resource: RESOURCE, scope: 'invoices:read', binding_message: message }
  const answer = await stage.send('/bc-authorize', { ...form, ...by.proof })
  const secret = String(answer['auth_req_id'])
  const poll = (): Promise<Answered> =>
    stage.send('/token', { grant_type: CIBA, auth_req_id: secret, ...by.proof })
  return { secrets: [secret], poll }
}

async function showCode(by: Bot) {
  const form = { resource: RESOURCE, scope: 'invoices:read invoices:refund' }
  const answer = await stage.send('/device_authorization', { ...form, ...by.proof })
  const [secret, code] = [String(answer['device_code']), String(answer['user_code'])]
  const poll = (): Promise<Answered> =>
    stage.send('/token', { grant_type: DEVICE, device_code: secret, ...by.proof })
  const type = async () => {
    const page = await maya.look(`${stage.url}/device`)
    return maya.browser.send(page, 'name="code"', { code })
  }
  return { secrets: [secret, code, code.replace('-', '')], poll, type }
}

test('200: what waits is listed with who asks whom for what, and with nothing that it is found by', async () => {
  const bot = await agent('list-bot')
  const [named, coded] = [await ask(bot), await showCode(bot)]
  const { items } = await stage.api.waitingRequests.list({ agent: bot.name })
  expect(items.toSorted((a, b) => (a.kind < b.kind ? -1 : 1))).toEqual([
    {
      ...{ id: expect.stringMatching(/^wrq_/), organization: expect.stringMatching(/^org_/) },
      ...{ agent: bot.id, agentName: 'list-bot', kind: 'backchannel', message: 'Month end' },
      ...{ person: expect.stringMatching(/^usr_/), personEmail: MAYA, askedFrom: null },
      ...{ resource: RESOURCE, scopes: ['invoices:read'] },
      ...{ createdAt: expect.any(String), expiresAt: expect.any(String) },
    },
    expect.objectContaining({
      ...{ kind: 'device', person: null, personEmail: null, askedFrom: '127.0.0.1', message: '' },
      scopes: ['invoices:read', 'invoices:refund'],
    }),
  ])
  for (const secret of [...named.secrets, ...coded.secrets]) {
    expect(secret.length).toBeGreaterThan(7)
    expect(JSON.stringify(items)).not.toContain(secret)
  }
  const first = await stage.api.waitingRequests.list({ agent: bot.id, limit: 1 })
  const second = await stage.api.waitingRequests.list({
    ...{ agent: bot.id, limit: 1 },
    cursor: first.next ?? '',
  })
  expect([...first.items, ...second.items]).toEqual(items)
  expect(second.next).toBeNull()
  await expect(stage.api.waitingRequests.list({ limit: 1, cursor: first.next ?? '' })).rejects.toMatchObject({
    status: 400,
  })
  // It waits for ten minutes and for an hour.
  stage.passTime(11 * 60_000)
  expect((await stage.api.waitingRequests.list({ agent: bot.id })).items).toMatchObject([
    { kind: 'backchannel' },
  ])
  const [left] = (await stage.api.waitingRequests.list({ agent: bot.id })).items
  await maya.answer(await maya.look(`${stage.url}/waiting/${left?.id}`), { action: 'deny' })
  expect((await stage.api.waitingRequests.list({ agent: bot.id })).items).toEqual([])
})

test('200: what is cancelled nobody can answer, its agent hears of it, and it is on record', async () => {
  const bot = await agent('one-bot')
  const [named, coded] = [await ask(bot), await showCode(bot)]
  const { items } = await stage.api.waitingRequests.list({ agent: bot.id })
  const open = await maya.look(`${stage.url}/waiting/${items.find(({ kind }) => kind === 'backchannel')?.id}`)
  for (const { id } of items)
    expect(await stage.api.waitingRequests.cancel({ id, reason: 'not ours' })).toMatchObject({ id })
  const told = { status: 400, error: 'access_denied', error_description: 'the request was cancelled' }
  expect([await named.poll(), await coded.poll()]).toMatchObject([told, told])
  expect((await maya.answer(open, { scope: ['invoices:read'] })).text).toContain('That is answered')
  expect((await coded.type()).text).toContain('No program waits for that code')
  expect((await stage.api.grants.list({ agent: bot.id })).items).toEqual([])
  stage.passTime(6_000)
  expect([await named.poll(), await coded.poll()]).toMatchObject([told, told])
  await expect
    .poll(async () => (await stage.events('waiting_request.cancelled')).map(({ target }) => target))
    .toEqual(expect.arrayContaining(items.map(({ id }) => id)))
  const [event] = await stage.events('waiting_request.cancelled')
  expect(event?.detail).toMatchObject({ agent: bot.id, reason: 'not ours' })
})

test('200: all of an agent, of a person, or of the one for the other, and of nobody else', async () => {
  const [one, two] = [await agent('all-one'), await agent('all-two')]
  const asked = { one: [await ask(one), await showCode(one)], two: [await ask(two), await showCode(two)] }
  const states = async () => {
    stage.passTime(6_000)
    return Promise.all([...asked.one, ...asked.two].map(async ({ poll }) => (await poll())['error']))
  }
  const [WAITS, OVER] = ['authorization_pending', 'access_denied']
  const both = await stage.api.waitingRequests.cancelAll({ agent: one.id, person: MAYA })
  expect(both.cancelled).toHaveLength(1)
  expect(await states()).toEqual([OVER, WAITS, WAITS, WAITS])
  expect((await stage.api.waitingRequests.cancelAll({ agent: one.name })).cancelled).toHaveLength(1)
  expect(await states()).toEqual([OVER, OVER, WAITS, WAITS])
  expect((await stage.api.waitingRequests.cancelAll({ person: MAYA })).cancelled).toHaveLength(1)
  expect(await states()).toEqual([OVER, OVER, OVER, WAITS])
  expect((await stage.api.waitingRequests.cancelAll({ agent: two.id })).cancelled).toHaveLength(1)
  expect((await stage.api.waitingRequests.cancelAll({ agent: two.id })).cancelled).toEqual([])
})

test('409: what is answered, cancelled or over stays as it is, and the refusal says what is left to do', async () => {
  const bot = await agent('late-bot')
  const begun = [await ask(bot, 'yes'), await ask(bot, 'no'), await ask(bot, 'twice'), await ask(bot, 'over')]
  const { items } = await stage.api.waitingRequests.list({ agent: bot.id })
  const [yes = '', no = '', twice = '', over = ''] = ['yes', 'no', 'twice', 'over'].map(
    text => items.find(({ message }) => message === text)?.id,
  )
  await maya.answer(await maya.look(`${stage.url}/waiting/${yes}`), { scope: ['invoices:read'] })
  await maya.answer(await maya.look(`${stage.url}/waiting/${no}`), { action: 'deny' })
  await stage.api.waitingRequests.cancel({ id: twice })
  const [grant] = (await stage.api.grants.list({ agent: bot.id })).items
  expect(await begun[0]?.poll()).toMatchObject({ status: 200 })
  stage.passTime(61 * 60_000)
  for (const [id, sentence] of [
    [yes, `the grant ${grant?.id}`],
    [no, 'was answered with a no'],
    [twice, 'is cancelled already'],
    [over, 'has expired'],
  ] as const)
    await expect(stage.api.waitingRequests.cancel({ id })).rejects.toMatchObject({
      ...{ status: 409, code: 'conflict.state', message: expect.stringContaining(sentence) },
    })
  expect((await stage.api.grants.get({ id: grant?.id ?? '' })).status).toBe('live')
})

test('400, 403, 404: no one named, no right to it, nothing there', async () => {
  await using product = await start()
  const admin = product.client()
  for (const slug of ['northwind', 'contoso']) {
    await admin.organizations.create({ slug, name: slug })
    await admin.people.create({ organization: slug, email: MAYA, name: 'Maya' })
    await admin.agents.create({ organization: slug, name: 'bot', owner: MAYA, kind: 'both', ceiling: [] })
  }
  const { id: bot } = await admin.agents.get({ organization: 'contoso', id: 'bot' })
  const id = await askSomebody(product, { agent: bot })
  const [here, there] = [{ organization: 'northwind' }, { organization: 'contoso' }]
  await expect(admin.waitingRequests.cancelAll(there)).rejects.toMatchObject({ status: 400 })
  const reader = product.client('grant:read')
  expect((await reader.waitingRequests.list(there)).items).toMatchObject([{ id }])
  await expect(reader.waitingRequests.cancel({ ...there, id })).rejects.toMatchObject({ status: 403 })
  await expect(reader.waitingRequests.cancelAll({ ...there, agent: bot })).rejects.toMatchObject({
    status: 403,
  })
  const nobody = product.client('agent:read')
  await expect(nobody.waitingRequests.list(there)).rejects.toMatchObject({ status: 403 })
  // Of another organization: as if there were none.
  expect((await admin.waitingRequests.list(here)).items).toEqual([])
  await expect(admin.waitingRequests.cancel({ ...here, id })).rejects.toMatchObject({ status: 404 })
  await expect(admin.waitingRequests.cancelAll({ ...here, agent: bot })).rejects.toMatchObject({
    status: 404,
  })
  expect((await admin.waitingRequests.cancelAll({ ...here, person: MAYA })).cancelled).toEqual([])
  await expect(admin.waitingRequests.cancel({ ...there, id: 'wrq_none' })).rejects.toMatchObject({
    status: 404,
  })
  expect((await admin.waitingRequests.list(there)).items).toMatchObject([{ id }])
})

test('what a client of a document asks is no organization’s before somebody answers', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await admin.people.create({ email: MAYA, name: 'Maya' })
  const { id, organization } = await admin.agents.create({
    name: 'bot',
    owner: MAYA,
    kind: 'both',
    ceiling: [],
  })
  const document = 'https://programs.test/client.json'
  const values = { id: `${document}#${organization}`, organizationId: organization, agentId: id }
  const made = { kind: 'metadata-document' as const, legacyAudience: 0, createdAt: '2027-01-01T00:00:00Z' }
  await product.store.db
    .insertInto('client')
    .values({ ...values, ...made })
    .execute()
  await askSomebody(product, { agent: id, client: document })
  const own = await askSomebody(product, { agent: id })
  expect((await admin.waitingRequests.list({})).items).toMatchObject([{ id: own }])
  await admin.revocations.create({ kind: 'agent', id })
  const rows = await product.store.db.selectFrom('waitingRequest').select(['clientId', 'answer']).execute()
  expect(Object.fromEntries(rows.map(({ clientId, answer }) => [clientId, answer]))).toEqual({
    [document]: null,
    [id]: '"cancelled"',
  })
})

test('the command line lists and cancels, one or all, and says before what it would do', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const { id: person } = await admin.people.create({ email: MAYA, name: 'Maya' })
  const { id: agent } = await admin.agents.create({ name: 'bot', owner: MAYA, kind: 'both', ceiling: [] })
  await using terminal = await openTerminal(product)
  const named = await askSomebody(product, { agent, person, message: 'Month\u001b[2Jend' })
  const coded = await askSomebody(product, { agent })
  const listed = await terminal.valetkey(['request', 'ls'], { isTerminal: true, columns: 200 })
  expect(listed.out).toContain('whoever types its code')
  expect(listed.out).toContain(MAYA)
  expect(listed.out).not.toContain('\u001b[2J')
  expect(listed.out).not.toContain('CODE-')
  const seen = await terminal.valetkey(['request', 'cancel', '--agent', 'bot', '--dry-run'])
  expect(seen.err + seen.out).toContain(`bot no longer waits for ${MAYA}.`)
  expect((await terminal.valetkey(['request', 'ls', '-o', 'name'])).out.split('\n').sort()).toEqual(
    ['', named, coded].sort(),
  )
  expect((await terminal.valetkey(['request', 'cancel'])).code).toBe(2)
  const one = await terminal.valetkey(['request', 'cancel', named, '--reason', 'not ours', '-o', 'name'])
  expect([one.code, one.out]).toEqual([0, `${named}\n`])
  const rest = await terminal.valetkey(['request', 'cancel', '--agent', 'bot', '--reason', 'not ours'])
  expect([rest.code, rest.err.includes('1 request is cancelled.')]).toEqual([0, true])
  expect((await terminal.valetkey(['request', 'ls', '-o', 'name'])).out).toBe('')
})
