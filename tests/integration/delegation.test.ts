import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  chainOf,
  claimsOf,
  type DelegationStage,
  EXCHANGE,
  startDelegationStage,
} from './delegation-stage.ts'
import { RESOURCE } from './oauth-stage.ts'

let stage: DelegationStage
beforeAll(async () => {
  stage = await startDelegationStage()
})
afterAll(() => stage[Symbol.asyncDispose]())

describe('an agent lets another one act', () => {
  test('by a handle that is good once, and from then on by the id of the delegation', async () => {
    const { a, b, url } = stage
    const offer = await a.delegate(b, { scope: 'invoices:read', purpose: 'check an invoice' })
    expect(offer).toMatchObject({ status: 200, delegate: b.id, scope: 'invoices:read', hops: 0 })
    const first = await b.redeem(offer['subject_token'])
    expect(first).toMatchObject({
      ...{ status: 200, token_type: 'Bearer', scope: 'invoices:read' },
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      delegation_id: offer['delegation_id'],
    })
    expect(first).not.toHaveProperty('refresh_token')
    expect(claimsOf(first)).toMatchObject({
      ...{ iss: url, sub: a.id, agent: b.id, client_id: b.id, aud: RESOURCE },
      dlg: [offer['delegation_id']],
      act: { iss: url, sub: b.id, sub_profile: 'ai_agent' },
    })
    expect(await b.isActive(first['access_token'])).toBe(true)
    const again = await b.exchange(offer['delegation_id'])
    expect(claimsOf(again).dlg).toEqual([offer['delegation_id']])
    expect(await b.redeem(offer['subject_token'])).toMatchObject({ status: 400, error: 'invalid_request' })
  })

  test('for the person who let it act: the person stays the subject, newest actor outermost', async () => {
    const { a, b, c, grant, url } = stage
    const { links, answer } = await chainOf([a, b, c], { grant_id: grant.id })
    const claims = claimsOf(answer)
    expect(claims).toMatchObject({ sub: grant.person, gid: grant.id, agent: c.id, dlg: links })
    expect(claims.act).toEqual({
      ...{ iss: url, sub: c.id, sub_profile: 'ai_agent' },
      act: {
        ...{ iss: url, sub: b.id, sub_profile: 'ai_agent' },
        act: { iss: url, sub: a.id, sub_profile: 'ai_agent' },
      },
    })
    expect(claims.scope).toBe('invoices:read tickets:read')
    expect(await c.isActive(answer['access_token'])).toBe(true)
  })

  test('within what it rests on: scopes, resources and time are cut, and what lies outside is refused', async () => {
    const { a, b, c, api } = stage
    const offer = await a.delegate(b, {
      scope: 'invoices:*',
      on: 'customer/acme',
      expires_in: '600',
      hops: '1',
    })
    const first = await b.redeem(offer['subject_token'])
    const end = Date.parse(String(offer['delegation_expires_at'])) / 1000
    expect(claimsOf(first).exp).toBeLessThanOrEqual(end)
    const rest = { delegation_id: String(offer['delegation_id']) }
    const wider = await b.delegate(c, { ...rest, scope: 'tickets:read' })
    expect(wider).toMatchObject({ status: 400, error: 'invalid_scope' })
    const elsewhere = await b.delegate(c, { ...rest, on: 'customer/globex' })
    expect(elsewhere).toMatchObject({ status: 400, error: 'invalid_request' })
    const next = await b.delegate(c, { ...rest, expires_in: '86400' })
    expect(next).toMatchObject({ status: 200, scope: 'invoices:*' })
    expect(Date.parse(String(next['delegation_expires_at'])) / 1000).toBeLessThanOrEqual(end)
    const shown = await api.delegations.get({ id: String(next['delegation_id']) })
    expect(shown).toMatchObject({ resources: ['customer/acme'], status: 'offered', delegatorName: 'bravo' })
  })

  test('four times in a row at most, and each only as often as the one before said', async () => {
    const { a, b, c, d, e, f } = stage
    const { links } = await chainOf([a, b, c, d, e])
    expect(links).toHaveLength(4)
    const deeper = await e.delegate(f, { delegation_id: links[3] })
    expect(deeper).toMatchObject({ status: 400, error: 'invalid_request' })
    expect(await a.delegate(b, { hops: '4' })).toMatchObject({ status: 400 })
    const short = await a.delegate(b)
    await b.redeem(short['subject_token'])
    expect(await b.delegate(c, { delegation_id: String(short['delegation_id']) })).toMatchObject({
      error_description: 'This delegation may not be handed on.',
    })
  })

  test('and never in a circle', async () => {
    const { a, b } = stage
    const { links } = await chainOf([a, b], { hops: '2' })
    for (const back of [a, b])
      expect(await b.delegate(back, { delegation_id: links[0] })).toMatchObject({ status: 400 })
    expect(await a.delegate(a)).toMatchObject({ status: 400 })
  })
})

describe('refused', () => {
  test('without a rule nobody delegates; a rule taken away ends what was made under it', async () => {
    const { api, a, b } = stage
    const own = await api.delegationRules.put({
      from: 'agent:alpha',
      to: 'agent:bravo',
      scopes: ['tickets:read'],
    })
    await api.delegationRules.remove({ id: stage.rule.id })
    const narrow = await a.delegate(b)
    expect(narrow).toMatchObject({ scope: 'tickets:read' })
    const got = await b.redeem(narrow['subject_token'])
    expect(await b.isActive(got['access_token'])).toBe(true)
    expect(await b.delegate(a)).toMatchObject({
      status: 400,
      error_description: expect.stringMatching(/No rule/),
    })
    await api.delegationRules.remove({ id: own.id })
    expect(await b.isActive(got['access_token'])).toBe(false)
    expect(await b.exchange(narrow['delegation_id'])).toMatchObject({ status: 400, error: 'invalid_request' })
    stage.rule = await api.delegationRules.put({ from: 'role:clerk', to: 'organization' })
    expect(await b.delegate(a)).toMatchObject({ status: 200 })
  })

  test("somebody else's handle or delegation, a made-up one, a handle that is past its time", async () => {
    const { a, b, c } = stage
    const offer = await a.delegate(b)
    const unknown = {
      status: 400,
      error: 'invalid_request',
      error_description: 'the subject_token is not acceptable',
    }
    expect(await c.redeem(offer['subject_token'])).toMatchObject(unknown)
    expect(await a.redeem(offer['subject_token'])).toMatchObject(unknown)
    expect(await b.redeem('vk_dlg_made-up')).toMatchObject(unknown)
    expect(await b.exchange(offer['delegation_id'])).toMatchObject(unknown)
    const link = await b.redeem(offer['subject_token'])
    expect(link.status).toBe(200)
    expect(await c.exchange(offer['delegation_id'])).toMatchObject(unknown)
    expect(await b.exchange(`dlg_${'0'.repeat(26)}`)).toMatchObject(unknown)
    const late = await a.delegate(b)
    stage.passTime(121_000)
    expect(await b.redeem(late['subject_token'])).toMatchObject(unknown)
    stage.passTime(-121_000)
  })

  test('a handle that comes many times at once is taken up once', async () => {
    const { a, b } = stage
    const offer = await a.delegate(b)
    const answers = await Promise.all(Array.from({ length: 8 }, () => b.redeem(offer['subject_token'])))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test('impersonation, foreign actors, two audiences, tokens of other kinds', async () => {
    const { a, b, c } = stage
    const { answer, links } = await chainOf([a, b])
    const token = String(answer['access_token'])
    const subject = { grant_type: EXCHANGE, subject_token: token, resource: RESOURCE }
    const type = 'urn:ietf:params:oauth:token-type:access_token'
    // keycloak#50690: whoever holds a person's token exchanges it, named as actor or not.
    for (const hand of [a, b, c])
      expect(await hand.send('/token', { ...subject, subject_token_type: type })).toMatchObject({
        status: 400,
        error: 'invalid_request',
      })
    const own = await c.send('/token', { grant_type: 'client_credentials', resource: RESOURCE })
    const actor = { actor_token: String(own['access_token']), actor_token_type: type }
    expect(await b.exchange(links[0], actor)).toMatchObject({ status: 400, error: 'invalid_request' })
    expect(await b.exchange(links[0], { resource: undefined })).toMatchObject({ error: 'invalid_target' })
    expect(await b.exchange(links[0], { audience: 'https://else.test' })).toMatchObject({
      error: 'invalid_target',
    })
    expect(await b.exchange(links[0], { resource: 'https://else.test' })).toMatchObject({
      error: 'invalid_target',
    })
    expect(
      await b.exchange(links[0], { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
    ).toMatchObject({ error: 'invalid_request' })
    expect(await b.send('/token', { ...subject, subject_token_type: 'urn:made:up' })).toMatchObject({
      status: 400,
    })
    const params = { grant_type: 'urn:valetkey:params:oauth:grant-type:delegate', delegate: c.name }
    expect(await b.send('/token', params)).toMatchObject({ status: 400 })
  })

  test('nothing is handed on that is not there: a foreign grant, an ended one, an agent for people only', async () => {
    const { api, a, b, c, grant } = stage
    expect(await b.delegate(c, { grant_id: grant.id })).toMatchObject({ status: 400 })
    expect(await a.delegate(b, { grant_id: 'gnt_nothing' })).toMatchObject({ status: 400 })
    await api.agents.update({ id: 'alpha', kind: 'user_authorized' })
    expect(await a.delegate(b)).toMatchObject({ status: 400 })
    await api.agents.update({ id: 'alpha', kind: 'both' })
    await api.agents.update({ id: 'charlie', kind: 'autonomous' })
    expect(await a.delegate(c, { grant_id: grant.id })).toMatchObject({ status: 400 })
    await api.agents.update({ id: 'charlie', kind: 'both' })
    expect(await a.delegate('nobody')).toMatchObject({ status: 400 })
    expect(await a.delegate(b, { when: 'args.amount <' })).toMatchObject({ status: 400 })
    expect(await a.delegate(b, { when: '"text"' })).toMatchObject({ status: 400 })
    for (const expires_in of ['0', '-1', '1e9', '99999999'])
      expect(await a.delegate(b, { expires_in })).toMatchObject({ status: 400 })
  })

  test('thunderid#5372: what the delegate itself may not carry is not in its token, whatever is handed on', async () => {
    const { api, a, b } = stage
    await api.agents.update({ id: 'bravo', ceiling: ['tickets:read'] })
    const offer = await a.delegate(b, { scope: 'invoices:refund tickets:read' })
    const got = await b.redeem(offer['subject_token'])
    expect(got).toMatchObject({ status: 200, scope: 'tickets:read' })
    const most = await b.exchange(offer['delegation_id'], { scope: 'invoices:refund' })
    expect(most).toMatchObject({ status: 400, error: 'invalid_scope' })
    await api.agents.update({ id: 'bravo', ceiling: ['invoices:*', 'tickets:*'] })
  })
})

describe('zeroid#50: what a chain rests on ends, and so does everything that was derived from it', () => {
  const endings: [string, (at: { links: string[]; grant: string }) => Promise<unknown>][] = [
    ['the first link', ({ links }) => stage.api.delegations.revoke({ id: links[0] ?? '' })],
    ['the last link', ({ links }) => stage.api.delegations.revoke({ id: links[1] ?? '' })],
    ['the grant', ({ grant }) => stage.api.grants.revoke({ id: grant })],
    ['the agent in the middle, suspended', () => stage.api.agents.suspend({ id: 'bravo' })],
    ['the first agent, suspended', () => stage.api.agents.suspend({ id: 'alpha' })],
  ]
  test.each(endings)('%s', async (_, end) => {
    const { api, a, b, c } = stage
    const grant = await api.grants.create({
      ...{ agent: 'alpha', person: 'maya@northwind.test', scopes: ['invoices:read'] },
    })
    const other = await chainOf([a, b, c])
    const { links, answer } = await chainOf([a, b, c], { grant_id: grant.id })
    expect(await c.isActive(answer['access_token'])).toBe(true)
    await end({ links, grant: grant.id })
    expect(await c.isActive(answer['access_token'])).toBe(false)
    expect(await c.exchange(links[1])).toMatchObject({ status: 400, error: 'invalid_request' })
    for (const id of ['alpha', 'bravo']) await api.agents.resume({ id, reason: 'looked into' })
    // Exactly what rests on it: the other chain of the same agents goes on.
    expect(await c.isActive(other.answer['access_token'])).toBe(true)
    expect((await c.exchange(other.links[1])).status).toBe(200)
  })

  test('time: a link, its children and its tokens end on the second', async () => {
    const { a, b, c } = stage
    const offer = await a.delegate(b, { expires_in: '60', hops: '1' })
    await b.redeem(offer['subject_token'])
    const next = await b.delegate(c, { delegation_id: String(offer['delegation_id']), expires_in: '3600' })
    const got = await c.redeem(next['subject_token'])
    const end = Date.parse(String(offer['delegation_expires_at']))
    expect(claimsOf(got).exp).toBe(Math.floor(end / 1000))
    stage.passTime(61_000)
    expect(await c.isActive(got['access_token'])).toBe(false)
    expect(await c.exchange(next['delegation_id'])).toMatchObject({ status: 400 })
    const { status } = await stage.api.delegations.get({ id: String(next['delegation_id']) })
    expect(status).toBe('expired')
    stage.passTime(-61_000)
  })
})

test('every step is on record, and no handle is', async () => {
  const { a, b, api } = stage
  const offer = await a.delegate(b, { purpose: 'for the record' })
  const got = await b.redeem(offer['subject_token'])
  await c404(b.exchange('nothing'))
  await api.delegations.revoke({ id: String(offer['delegation_id']) })
  const events = await stage.events()
  const of = (type: string) => events.filter(event => event.type === type)
  const id = offer['delegation_id']
  expect(of('delegation.offered')).toContainEqual(expect.objectContaining({ target: id, actor: a.id }))
  expect(of('delegation.activated')).toContainEqual(expect.objectContaining({ target: id, actor: b.id }))
  expect(of('delegation.revoked')).toContainEqual(expect.objectContaining({ target: id }))
  expect(of('token.issued')).toContainEqual(
    expect.objectContaining({
      target: claimsOf(got).jti,
      detail: expect.objectContaining({ delegations: [id], delegators: [a.id] }),
    }),
  )
  expect(of('token.refused').map(({ detail }) => detail['reason'])).toContain('delegation_unknown')
  expect(JSON.stringify(events)).not.toContain('vk_dlg_')
})

async function c404(answer: Promise<{ status: number }>): Promise<void> {
  expect((await answer).status).toBe(400)
}

test('across organizations, which needs an explicit trust, and there is none: the other side is as good as not there', async () => {
  const { api, a, b } = stage
  await api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  const here = { organization: 'contoso' }
  await api.people.create({ ...here, email: 'cleo@contoso.test', name: 'Cleo' })
  const ceiling = ['invoices:*']
  const theirs = await api.agents.create({
    ...here,
    name: 'contoso-bot',
    owner: 'cleo@contoso.test',
    ceiling,
  })
  const { secret } = await api.credentials.create({ agent: theirs.id, kind: 'secret' })
  for (const delegate of ['contoso-bot', theirs.id, 'nobody', `agt_${'0'.repeat(26)}`])
    expect(await a.delegate(delegate)).toMatchObject({
      status: 400,
      error_description: expect.stringContaining(`No agent "${delegate}" in northwind`),
    })
  const offer = await a.delegate(b)
  const headers = { authorization: `Basic ${Buffer.from(`${theirs.id}:${secret}`).toString('base64')}` }
  const form = { grant_type: EXCHANGE, resource: RESOURCE, subject_token: String(offer['subject_token']) }
  const subject_token_type = 'urn:valetkey:params:oauth:token-type:delegation-handle'
  expect(await stage.send('/token', { ...form, subject_token_type }, headers)).toMatchObject({
    ...{ status: 400, error: 'invalid_request' },
    error_description: 'the subject_token is not acceptable',
  })
  await expect(
    api.delegationRules.put({ organization: 'northwind', from: 'agent:alpha', to: `agent:${theirs.id}` }),
  ).rejects.toMatchObject({ status: 404 })
})
