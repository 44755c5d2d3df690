import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import { CAEP, openStage, POLL, sessionOf } from './stage.ts'

const stage = await openStage()
const { site, partner, receiver, pushTo, granted, told } = stage
afterAll(stage.close)
beforeEach(stage.reset)

test('a receiver opens its stream, is pushed what is revoked, and nothing from before', async () => {
  const before = await granted()
  await site.api.grants.revoke({ id: before.grant })
  const crm = await receiver()
  const made = await crm.call('POST', '/streams', {
    delivery: { ...pushTo(), authorization_header: 'Bearer x' },
  })
  expect(made).toMatchObject({ status: 201, body: { iss: site.url, aud: crm.audience } })
  expect(JSON.stringify(made.body)).not.toContain('Bearer x')
  const { agent, grant } = await granted()
  await site.api.grants.revoke({ id: grant })
  const [event] = await told(1)
  expect(event).toMatchObject({
    ...{ iss: site.url, aud: crm.audience, txn: expect.stringMatching(/^org_\w+\.\d+$/) },
    sub_id: {
      format: 'complex',
      user: { format: 'iss_sub', iss: site.url, sub: expect.stringMatching(/^usr_/) },
      application: { format: 'iss_sub', iss: site.url, sub: agent },
      session: { format: 'opaque', id: grant },
    },
    events: {
      [`${CAEP}session-revoked`]: {
        event_timestamp: expect.any(Number),
        initiating_entity: 'admin',
        reason_admin: { en: expect.stringMatching(/./) },
      },
    },
  })
  expect(event).not.toHaveProperty('exp')
  expect(event).not.toHaveProperty('sub')
  expect(partner.headers[0]).toMatchObject({
    ...{ 'content-type': 'application/secevent+jwt', authorization: 'Bearer x' },
  })
  expect(partner.told.map(sessionOf)).toEqual([grant])
  await crm.drop()
})

test('an agent with a key, a grant and a token, a person: each revocation is told in the words of CAEP', async () => {
  const crm = await receiver({ subjects: 'email' })
  await crm.call('POST', '/streams', { delivery: pushTo() })
  const { agent } = await granted()
  await site.api.agents.update({ id: agent, ceiling: ['tickets:read'] })
  await site.api.revocations.create({ kind: 'agent', id: agent })
  await site.api.revocations.create({ kind: 'token', id: 'atk_of-a-token' })
  const email = 'leaver@northwind.test'
  await site.api.people.create({ email, name: 'Leaver' })
  const owned = await site.api.agents.create({ name: 'orphan', owner: email, ceiling: [] })
  await site.api.revocations.create({ kind: 'person', id: email })
  const all = await told(7)
  const said = all.map(({ events, sub_id }) => [Object.keys(events)[0]?.slice(CAEP.length), sub_id])
  expect(said).toContainEqual(['session-revoked', { format: 'email', email }])
  expect(said).toContainEqual(['session-revoked', { format: 'jwt_id', iss: site.url, jti: 'atk_of-a-token' }])
  const application = { format: 'iss_sub', iss: site.url, sub: agent }
  expect(said).toContainEqual(['session-revoked', { format: 'complex', application }])
  expect(said).toContainEqual(['credential-change', { format: 'complex', application }])
  const orphan = { format: 'iss_sub', iss: site.url, sub: owned.id }
  expect(said).toContainEqual(['session-revoked', { format: 'complex', application: orphan }])
  const changed = all.find(({ events }) => `${CAEP}token-claims-change` in events)
  expect(changed?.events[`${CAEP}token-claims-change`]).toMatchObject({ claims: { scope: 'tickets:read' } })
  const gone = all.find(({ events }) => `${CAEP}credential-change` in events)
  expect(gone?.events[`${CAEP}credential-change`]).toMatchObject({
    ...{ credential_type: 'password', change_type: 'revoke', reason_admin: { en: expect.any(String) } },
  })
  await crm.drop()
})

test('what a receiver does not take is kept, sent again under the same jti, in order', async () => {
  const crm = await receiver()
  await crm.call('POST', '/streams', { delivery: pushTo() })
  let refusals = 0
  partner.say(() => {
    refusals++
    return { status: 503 }
  })
  const [first, second] = [await granted(), await granted()]
  await site.api.grants.revoke({ id: first.grant })
  await site.api.grants.revoke({ id: second.grant })
  await vi.waitFor(() => expect(refusals).toBeGreaterThan(0), { timeout: 10_000 })
  const [row] = (await site.api.signalReceivers.list({})).items.filter(({ id }) => id === crm.id)
  expect(row?.stream).toMatchObject({ waiting: 2, lastFault: 'status 503' })
  partner.say(() => ({ status: 202 }))
  expect((await told(2)).map(sessionOf)).toEqual([first.grant, second.grant])
  await crm.drop()
})

test('an event that is refused for good is forgotten on record; one that we are refused for is kept', async () => {
  const crm = await receiver()
  await crm.call('POST', '/streams', { delivery: pushTo() })
  const [first, second] = [await granted(), await granted()]
  let tries = 0
  const errors = ['authentication_failed', 'invalid_audience']
  partner.say(() => {
    const err = errors[tries++]
    return err === undefined
      ? { status: 202 }
      : { status: 400, body: JSON.stringify({ err, description: 'no' }) }
  })
  await site.api.grants.revoke({ id: first.grant })
  await site.api.grants.revoke({ id: second.grant })
  expect((await told(1)).map(sessionOf)).toEqual([second.grant])
  await vi.waitFor(async () => {
    const { items } = await site.api.audit.changes({ type: 'signal_event.refused', limit: 10 })
    expect(items[0]).toMatchObject({ target: crm.id, detail: { err: 'invalid_audience' } })
  }, 15_000)
  await crm.drop()
})

test('a receiver polls: what it does not acknowledge comes again, and a long poll is answered at once', async () => {
  const crm = await receiver({ pushes: false })
  const { body: stream } = await crm.call('POST', '/streams', {})
  expect(stream.delivery).toEqual({
    method: POLL,
    endpoint_url: `${site.url}/signals/poll/${stream.stream_id}`,
  })
  const path = `/poll/${stream.stream_id}`
  const empty = await crm.call('POST', path, { returnImmediately: true })
  expect(empty).toMatchObject({ status: 200, body: { sets: {}, moreAvailable: false } })
  const [first, second] = [await granted(), await granted()]
  const waiting = crm.call('POST', path, { maxEvents: 1 })
  await site.api.grants.revoke({ id: first.grant })
  const { body } = await waiting
  const [jti = '', token = ''] = Object.entries<string>(body.sets)[0] ?? []
  expect((await partner.read(token)).jti).toBe(jti)
  const again = await crm.call('POST', path, { returnImmediately: true })
  expect(Object.keys(again.body.sets)).toEqual([jti])
  await site.api.grants.revoke({ id: second.grant })
  const next = await crm.call('POST', path, { ack: [jti] })
  expect(Object.keys(next.body.sets)).not.toContain(jti)
  expect(sessionOf(await partner.read(Object.values<string>(next.body.sets)[0] ?? ''))).toBe(second.grant)
  const setErrs = Object.fromEntries(Object.keys(next.body.sets).map(id => [id, { err: 'invalid_key' }]))
  const last = await crm.call('POST', path, { returnImmediately: true, setErrs })
  expect(last.body).toEqual({ sets: {}, moreAvailable: false })
  await crm.drop()
})

test('of many polls that would wait, a few do', async () => {
  const crm = await receiver({ pushes: false })
  const { body: stream } = await crm.call('POST', '/streams', {})
  let answered = 0
  const polls = Array.from({ length: 12 }, () =>
    crm.call('POST', `/poll/${stream.stream_id}`, {}).then(({ body }) => {
      answered++
      expect(Object.keys(body.sets).length).toBeLessThan(2)
    }),
  )
  await vi.waitFor(() => expect(answered).toBeGreaterThanOrEqual(8), { timeout: 10_000 })
  const { grant } = await granted()
  await site.api.grants.revoke({ id: grant })
  await Promise.all(polls)
  await crm.drop()
})

test('a receiver is told of its own organization alone, and sees nobody else’s stream', async () => {
  const { grant } = await granted()
  await site.api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  const theirs = await receiver({ organization: 'contoso', pushes: false })
  const ours = await receiver()
  const { body } = await ours.call('POST', '/streams', { delivery: pushTo() })
  const theirToken = theirs.token
  await ours.call('POST', '/streams', {}, theirToken)
  for (const [method, path, sent] of [
    ['GET', `/streams?stream_id=${body.stream_id}`],
    ['PATCH', '/streams', { stream_id: body.stream_id, description: 'mine' }],
    ['DELETE', `/streams?stream_id=${body.stream_id}`],
    ['POST', '/status', { stream_id: body.stream_id, status: 'disabled' }],
    ['POST', '/verify', { stream_id: body.stream_id }],
    ['POST', `/poll/${body.stream_id}`, {}],
  ] as const)
    expect(await ours.call(method, path, sent, theirToken), `${method} ${path}`).toMatchObject({
      status: 404,
    })
  const [{ stream_id } = { stream_id: '' }] = (await ours.call('GET', '/streams', undefined, theirToken)).body
  await site.api.grants.revoke({ organization: 'northwind', id: grant })
  await told(1)
  const polled = await ours.call('POST', `/poll/${stream_id}`, { returnImmediately: true }, theirToken)
  expect(polled.body.sets).toEqual({})
  await expect(
    site.api.signalReceivers.remove({ organization: 'contoso', receiver: ours.id }),
  ).rejects.toMatchObject({
    status: 404,
  })
  await ours.drop()
})

test('a frozen organization’s receivers still hear that it is', async () => {
  await site.api.organizations.create({ slug: 'fabrikam', name: 'Fabrikam' })
  const crm = await receiver({ organization: 'fabrikam', pushes: false })
  const { body: stream } = await crm.call('POST', '/streams', {})
  await site.api.freezes.freeze({ kind: 'organization', id: 'fabrikam' })
  const token = await crm.tokenFor('ssf.read')
  const { body } = await crm.call('POST', `/poll/${stream.stream_id}`, {}, token)
  const [set = ''] = Object.values<string>(body.sets)
  expect((await partner.read(set)).sub_id).toMatchObject({ tenant: { id: crm.organization } })
})
