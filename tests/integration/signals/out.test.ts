import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type Site, startSite } from '../consent-site.ts'
import { openReceiverPartner, type ReceiverPartner, type Told } from './receiver-partner.ts'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type/'
const [PUSH, POLL] = ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936']

let site: Site
let partner: ReceiverPartner
let count = 0

beforeAll(async () => {
  ;[site, partner] = await Promise.all([startSite(), openReceiverPartner()])
  await site.api.people.create({ email: 'maya@northwind.test', name: 'Maya' })
}, 60_000)

afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  await partner?.close()
})

beforeEach(() => {
  partner.told.length = 0
  partner.headers.length = 0
  partner.say(() => ({ status: 202 }))
})

/** A receiver, and the calls that it makes with its token. */
async function receiver(options: { pushes?: boolean; subjects?: 'email' } = {}) {
  const { pushes = true, subjects } = options
  const name = `receiver-${++count}`
  const made = await site.api.signalReceivers.create({
    ...{ organization: 'northwind', name, subjects },
    pushOrigin: pushes ? partner.origin : undefined,
  })
  const call = async (method: string, path: string, body?: unknown, token = made.token ?? '') => {
    const init: RequestInit = { method, headers: { authorization: `Bearer ${token}` } }
    if (body !== undefined) {
      init.body = JSON.stringify(body)
      init.headers = { ...init.headers, 'content-type': 'application/json' }
    }
    const response = await fetch(`${site.url}/signals${path}`, init)
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  await partner.trust(site.url, made.audience)
  return {
    ...made,
    call,
    drop: () => site.api.signalReceivers.remove({ organization: 'northwind', receiver: name }),
  }
}

const pushTo = (path = '/events') => ({ method: PUSH, endpoint_url: partner.origin + path })

/** An agent for which somebody has agreed to something. */
async function granted() {
  const name = `agent-${++count}`
  const { id: agent } = await site.agent(name)
  const grant = await site.api.grants.create({
    agent,
    person: 'maya@northwind.test',
    scopes: ['tickets:read'],
  })
  return { agent, grant: grant.id }
}

const sessionOf = ({ sub_id }: Told) => (sub_id['session'] as { id: string } | undefined)?.id
const told = async (many: number) => {
  await vi.waitFor(() => expect(partner.told.length).toBeGreaterThanOrEqual(many), { timeout: 15_000 })
  return partner.told
}

test('the metadata names what there is, and the keys are RSA of their own', async () => {
  const response = await fetch(`${site.url}/.well-known/ssf-configuration`)
  expect(await response.json()).toMatchObject({
    ...{ spec_version: '1_0', issuer: site.url, delivery_methods_supported: [PUSH, POLL] },
    ...{ configuration_endpoint: `${site.url}/signals/streams`, default_subjects: 'ALL' },
  })
  const { keys } = (await (await fetch(`${site.url}/signals/jwks.json`)).json()) as { keys: object[] }
  expect(keys).toEqual([expect.objectContaining({ kty: 'RSA', alg: 'RS256', use: 'sig' })])
  expect(keys[0]).not.toHaveProperty('d')
  const tokens = (await (await fetch(`${site.url}/jwks`)).json()) as { keys: { kty: string }[] }
  expect(tokens.keys.some(({ kty }) => kty === 'RSA')).toBe(false)
})

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
  const email = `leaver-${count}@northwind.test`
  await site.api.people.create({ email, name: 'Leaver' })
  const owned = await site.api.agents.create({ name: `orphan-${count}`, owner: email, ceiling: [] })
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
  expect(empty).toEqual({ status: 200, body: { sets: {}, moreAvailable: false } })
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

test('verification, status and configuration as SSF has them', async () => {
  const crm = await receiver()
  const { body: stream } = await crm.call('POST', '/streams', { delivery: pushTo(), description: 'ours' })
  const { stream_id } = stream
  expect(await crm.call('POST', '/streams', {})).toMatchObject({ status: 409 })
  expect(await crm.call('GET', '/streams')).toMatchObject({ status: 200, body: [{ stream_id }] })
  expect(await crm.call('GET', `/streams?stream_id=${stream_id}`)).toMatchObject({ body: { stream_id } })
  expect(await crm.call('GET', '/streams?stream_id=stm_other')).toMatchObject({ status: 404 })
  expect(await crm.call('POST', '/verify', { stream_id, state: 'abc' })).toMatchObject({ status: 204 })
  expect(await told(1)).toMatchObject([
    { sub_id: { format: 'opaque', id: stream_id }, events: { [`${SSF}verification`]: { state: 'abc' } } },
  ])
  expect(await crm.call('POST', '/verify', { stream_id })).toMatchObject({ status: 429 })

  const paused = { stream_id, status: 'paused', reason: 'holiday' }
  expect(await crm.call('POST', '/status', paused)).toEqual({ status: 200, body: paused })
  expect(await crm.call('GET', `/status?stream_id=${stream_id}`)).toEqual({ status: 200, body: paused })
  const { grant } = await granted()
  await site.api.grants.revoke({ id: grant })
  await vi.waitFor(async () => {
    const [row] = (await site.api.signalReceivers.list({})).items.filter(({ id }) => id === crm.id)
    expect(row?.stream?.waiting).toBe(1)
  })
  expect(partner.told).toHaveLength(1)
  await crm.call('POST', '/status', { stream_id, status: 'enabled' })
  expect(sessionOf((await told(2))[1] as Told)).toBe(grant)

  const narrow = {
    stream_id,
    events_requested: [`${CAEP}credential-change`, `${CAEP}device-compliance-change`],
  }
  const patched = await crm.call('PATCH', '/streams', narrow)
  expect(patched.body).toMatchObject({
    ...{ events_delivered: [`${CAEP}credential-change`], description: 'ours' },
    delivery: { method: PUSH },
  })
  const put = await crm.call('PUT', '/streams', { stream_id, delivery: { method: POLL } })
  expect(put.body.delivery.method).toBe(POLL)
  expect(put.body.events_delivered).toHaveLength(4)
  expect(put.body).not.toHaveProperty('description')
  expect(await crm.call('DELETE', `/streams?stream_id=${stream_id}`)).toMatchObject({ status: 204 })
  expect(await crm.call('GET', '/streams')).toEqual({ status: 200, body: [] })
  await crm.drop()
})

test('an administrator sets a stream up, pauses it with a word to the receiver, and stops it for good', async () => {
  const siem = await receiver()
  const endpoint = `${partner.origin}/siem`
  const authorization = 'Splunk abc'
  await site.api.signalStreams.start({
    receiver: siem.name,
    endpoint,
    authorization,
    events: ['session-revoked'],
  })
  await site.api.signalStreams.verify({ receiver: siem.name })
  await told(1)
  await site.api.signalStreams.update({ receiver: siem.name, status: 'disabled', reason: 'contract ended' })
  expect((await told(2))[1]?.events).toEqual({
    [`${SSF}stream-updated`]: { status: 'disabled', reason: 'contract ended' },
  })
  const { grant } = await granted()
  await site.api.grants.revoke({ id: grant })
  await site.api.signalStreams.update({ receiver: siem.name, status: 'enabled' })
  await site.api.signalStreams.verify({ receiver: siem.name })
  const after = await told(4)
  expect(after.map(sessionOf)).not.toContain(grant)
  expect(partner.headers.every(header => header['authorization'] === authorization)).toBe(true)
  const { token: _, call: __, drop: ___, ...shown } = siem
  expect(JSON.stringify((await site.api.signalReceivers.list({})).items)).not.toContain(authorization)
  expect((await site.api.signalReceivers.remove({ receiver: shown.id })).stream?.status).toBe('enabled')
  expect(await siem.call('GET', '/streams')).toMatchObject({ status: 401 })
})

test('we go only where an administrator lets the receiver have us go', async () => {
  const ours = await receiver()
  const fetches = await receiver({ pushes: false })
  for (const endpoint_url of [
    'http://169.254.169.254/latest',
    'http://127.0.0.1:1/events',
    'https://siem.example.com/events',
    `${partner.origin.replace('127.0.0.1', 'user@127.0.0.1')}/events`,
    'file:///etc/passwd',
    'not an address',
  ])
    for (const one of [ours, fetches]) {
      const answer = await one.call('POST', '/streams', { delivery: { method: PUSH, endpoint_url } })
      expect(answer, endpoint_url).toMatchObject({ status: 400 })
    }
  for (const pushOrigin of [`${partner.origin}/path`, 'http://siem.example.com', 'https://u:p@siem.test'])
    await expect(
      site.api.signalReceivers.create({ organization: 'northwind', name: 'bad', pushOrigin }),
    ).rejects.toMatchObject({ status: 400 })
})

test('a receiver is told of its own organization alone, and sees nobody else’s stream', async () => {
  const { grant } = await granted()
  await site.api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  const ours = await receiver()
  const theirs = await site.api.signalReceivers.create({ organization: 'contoso', name: 'theirs' })
  const { body } = await ours.call('POST', '/streams', { delivery: pushTo() })
  const theirToken = theirs.token ?? ''
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

test('nobody without a token learns or changes anything, and guessing ends soon', async () => {
  const ours = await receiver()
  const bare = await fetch(`${site.url}/signals/streams`)
  expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="valetkey"'])
  const admin = await fetch(`${site.url}/signals/streams?access_token=${ours.token}`)
  expect(admin.status).toBe(401)
  const huge = 'x'.repeat(300_000)
  expect(await ours.call('POST', '/streams', { description: huge })).toMatchObject({ status: 413 })
  expect(await ours.call('POST', '/streams', { delivery: { method: 'urn:other' } })).toMatchObject({
    status: 400,
  })
  const guess = () => ours.call('GET', '/streams', undefined, 'vk_signal_guess')
  expect(await guess()).toMatchObject({ status: 401 })
  for (let i = 0; i < 10; i++) await guess()
  expect(await guess()).toMatchObject({ status: 429 })
  expect(await ours.call('GET', '/streams')).toMatchObject({ status: 429 })
})
