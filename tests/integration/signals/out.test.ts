import * as oauth from 'oauth4webapi'
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

/** What the token endpoint answers a client that proves itself by its secret (RFC 6749 section 4.4). */
async function askToken(client: string, secret: string, more: Record<string, string> = {}) {
  const response = await fetch(`${site.url}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...more }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}

/** A receiver, and the calls that it makes with its token. */
async function receiver(options: { pushes?: boolean; subjects?: 'email'; organization?: string } = {}) {
  const { pushes = true, subjects, organization = 'northwind' } = options
  const name = `receiver-${++count}`
  const made = await site.api.signalReceivers.create({
    ...{ organization, name, subjects },
    pushOrigin: pushes ? partner.origin : undefined,
  })
  const tokenFor = async (scope?: string, secret = made.secret) =>
    (await askToken(made.id, secret, scope === undefined ? {} : { scope })).body['access_token'] ?? ''
  const own = await tokenFor()
  const call = async (method: string, path: string, body?: unknown, token = own) => {
    const init: RequestInit = { method, headers: { authorization: `Bearer ${token}` } }
    if (body !== undefined) {
      init.body = JSON.stringify(body)
      init.headers = { ...init.headers, 'content-type': 'application/json' }
    }
    const response = await fetch(`${site.url}/signals${path}`, init)
    const text = await response.text()
    const challenge = response.headers.get('www-authenticate')
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text), challenge }
  }
  await partner.trust(site.url, made.audience)
  return {
    ...made,
    token: own,
    tokenFor,
    call,
    drop: () => site.api.signalReceivers.remove({ organization, receiver: name }),
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
  expect(await crm.call('POST', '/status', paused)).toMatchObject({ status: 200, body: paused })
  expect(await crm.call('GET', `/status?stream_id=${stream_id}`)).toMatchObject({ status: 200, body: paused })
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
  expect(await crm.call('GET', '/streams')).toMatchObject({ status: 200, body: [] })
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
  const { id } = siem
  expect(JSON.stringify((await site.api.signalReceivers.list({})).items)).not.toContain(authorization)
  expect((await site.api.signalReceivers.remove({ receiver: id })).stream?.status).toBe('enabled')
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

test('nobody without a token learns or changes anything', async () => {
  const ours = await receiver()
  const bare = await fetch(`${site.url}/signals/streams`)
  const metadata = `${site.url}/.well-known/oauth-protected-resource/signals`
  const challenge = `Bearer resource_metadata="${metadata}", scope="ssf.read"`
  expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([401, challenge])
  const inUrl = await fetch(`${site.url}/signals/streams?access_token=${ours.token}`)
  expect(inUrl.status).toBe(401)
  const huge = 'x'.repeat(300_000)
  expect(await ours.call('POST', '/streams', { description: huge })).toMatchObject({ status: 413 })
  expect(await ours.call('POST', '/streams', { delivery: { method: 'urn:other' } })).toMatchObject({
    status: 400,
  })
  for (const token of ['vk_signal_guess', ours.secret, `${ours.token}x`, ours.token.replace(/.$/, '')])
    expect(await ours.call('GET', '/streams', undefined, token)).toMatchObject({
      ...{ status: 401, challenge: `${challenge}, error="invalid_token"` },
    })
  await ours.drop()
})

test('from the metadata alone a receiver finds where it gets its tokens, and for what', async () => {
  const crm = await receiver()
  const read = async (path: string) => (await fetch(site.url + path)).json()
  const transmitter = await read('/.well-known/ssf-configuration')
  expect(transmitter.authorization_schemes).toContainEqual({ spec_urn: 'urn:ietf:rfc:6749' })
  const insecure = { [oauth.allowInsecureRequests]: true }
  const resource = new URL(`${site.url}/signals`)
  const described = await oauth.resourceDiscoveryRequest(resource, insecure)
  const { authorization_servers, scopes_supported } = await oauth.processResourceDiscoveryResponse(
    resource,
    described,
  )
  expect(scopes_supported).toEqual(['ssf.read', 'ssf.manage'])
  const issuer = new URL(authorization_servers?.[0] ?? '')
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  const server = await oauth.processDiscoveryResponse(issuer, found)
  const client = { client_id: crm.id }
  const secret = crm.secret
  for (const proof of [oauth.ClientSecretBasic(secret), oauth.ClientSecretPost(secret)]) {
    const asked = await oauth.clientCredentialsGrantRequest(
      ...([server, client, proof, { scope: 'ssf.read ssf.manage' }, insecure] as const),
    )
    const answer = await oauth.processClientCredentialsResponse(server, client, asked)
    expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 900, scope: 'ssf.read ssf.manage' })
    expect(await crm.call('GET', '/streams', undefined, answer.access_token)).toMatchObject({ status: 200 })
  }
  const { items } = await site.api.audit.changes({ type: 'token.issued', limit: 1 })
  expect(items[0]).toMatchObject({
    ...{ actor: crm.id, detail: { client: crm.id, audience: `${site.url}/signals` } },
  })
  expect(JSON.stringify(items)).not.toContain(secret)
  await crm.drop()
})

test('a token does what its scope says: reading reads, managing manages', async () => {
  const crm = await receiver()
  const [reads, manages] = [await crm.tokenFor('ssf.read'), await crm.tokenFor('ssf.manage openid')]
  const { body: stream } = await crm.call('POST', '/streams', {}, manages)
  const { stream_id } = stream
  const reading = [
    ['GET', '/streams'],
    ['GET', `/status?stream_id=${stream_id}`],
    ['POST', `/poll/${stream_id}`, { returnImmediately: true }],
  ] as const
  const managing = [
    ['POST', '/verify', { stream_id }],
    ['PATCH', '/streams', { stream_id, description: 'ours' }],
    ['PUT', '/streams', { stream_id }],
    ['POST', '/status', { stream_id, status: 'paused' }],
    ['DELETE', `/streams?stream_id=${stream_id}`],
    ['POST', '/streams', {}],
  ] as const
  for (const [calls, yes, no, needs] of [
    [reading, reads, manages, 'ssf.read'],
    [managing, manages, reads, 'ssf.manage'],
  ] as const)
    for (const [method, path, sent] of calls) {
      const refused = await crm.call(method, path, sent, no)
      expect(refused, `${method} ${path}`).toMatchObject({ status: 403 })
      expect(refused.challenge).toContain(`scope="${needs}", error="insufficient_scope"`)
      const taken = await crm.call(method, path, sent, yes)
      expect(Math.floor(taken.status / 100), `${method} ${path}`).toBe(2)
    }
  await crm.drop()
})

test('the token endpoint gives a receiver nothing else, and nobody without its secret anything', async () => {
  const [crm, other] = [await receiver(), await receiver()]
  const secret = crm.secret
  const refusals = [
    [secret, { scope: 'tickets:read' }, 400, 'invalid_scope'],
    [secret, { scope: 'ssf.*' }, 400, 'invalid_scope'],
    [secret, { resource: 'https://desk.test/mcp' }, 400, 'invalid_target'],
    [secret, { grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'invalid_request'],
    [secret, { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange' }, 400, 'invalid_request'],
    ['vk_signal_guess', {}, 401, 'invalid_client'],
    [other.secret, {}, 401, 'invalid_client'],
  ] as const
  for (const [shown, more, status, error] of refusals)
    expect(await askToken(crm.id, shown, more), JSON.stringify(more)).toMatchObject({
      ...{ status, body: { error } },
    })
  const { items } = await site.api.audit.changes({ type: 'token.refused', limit: 1 })
  expect(items[0]).toMatchObject({ organization: crm.organization, target: crm.id })
  for (const [path, body, status = 401] of [
    ['/token', { grant_type: 'client_credentials', client_id: crm.id }],
    ['/token/introspection', { token: crm.token, client_id: crm.id, client_secret: secret }],
    ['/par', { client_id: crm.id, client_secret: secret, response_type: 'code' }],
    ['/delegations', { client_id: crm.id, client_secret: secret }, 400],
  ] as const) {
    const answer = await fetch(site.url + path, { method: 'POST', body: new URLSearchParams(body) })
    expect(answer.status, path).toBe(status)
  }
  const asAdmin = await fetch(`${site.url}/api/agents`, {
    headers: { authorization: `Bearer ${crm.token}` },
  })
  expect(asAdmin.status).toBe(401)
  for (const { drop } of [crm, other]) await drop()
})

test('what an agent gets for a server at the address of the streams counts for nothing there', async () => {
  const crm = await receiver()
  const resource = `${site.url}/signals`
  await site.api.servers.create({ name: 'in-the-way', url: resource })
  await site.api.tools.map({
    ...{ server: 'in-the-way', name: 'read', permission: 'tickets:read', risk: 'read' },
    ...{ definition: `sha256-${'a'.repeat(43)}`, inputSchema: { type: 'object' } },
  })
  const agent = await site.agent(`agent-${++count}`, { ceiling: ['tickets:read'] })
  const { status, body } = await askToken(agent.id, agent.secret ?? '', { resource })
  expect([status, body['scope']]).toEqual([200, 'tickets:read'])
  const token = body['access_token'] ?? ''
  expect(await crm.call('GET', '/streams', undefined, token)).toMatchObject({ status: 401 })
  await crm.drop()
})

test('a token that was taken back, by whomever, opens nothing; nor one of a secret that is no more', async () => {
  const { grant } = await granted()
  const crm = await receiver({ pushes: false })
  const { body: stream } = await crm.call('POST', '/streams', {})
  const reads = (token: string) => crm.call('GET', '/streams', undefined, token)
  const [first, second, third] = [await crm.tokenFor(), await crm.tokenFor(), await crm.tokenFor()]
  const jti = JSON.parse(Buffer.from(first.split('.')[1] ?? '', 'base64url').toString()).jti
  await site.api.revocations.create({ organization: 'northwind', kind: 'token', id: jti })
  expect(await reads(first)).toMatchObject({ status: 401 })

  const revoke = (by: { id: string; secret: string }) =>
    fetch(`${site.url}/token/revocation`, {
      method: 'POST',
      body: new URLSearchParams({ token: second, client_id: by.id, client_secret: by.secret }),
    })
  const other = await receiver()
  expect((await revoke(other)).status).toBe(400)
  expect(await reads(second)).toMatchObject({ status: 200 })
  expect((await revoke(crm)).status).toBe(200)
  expect(await reads(second)).toMatchObject({ status: 401 })

  await crm.call('POST', `/poll/${stream.stream_id}`, { ack: [], returnImmediately: true }, third)
  const waiting = crm.call('POST', `/poll/${stream.stream_id}`, {}, third)
  const { secret } = await site.api.signalReceivers.rotateSecret({
    ...{ organization: 'northwind', receiver: crm.name },
  })
  await site.api.grants.revoke({ organization: 'northwind', id: grant })
  expect(await waiting).toMatchObject({ status: 401 })
  expect(await reads(third)).toMatchObject({ status: 401 })
  expect(await askToken(crm.id, crm.secret)).toMatchObject({ status: 401 })
  const fresh = await crm.tokenFor(undefined, secret)
  expect(await reads(fresh)).toMatchObject({ status: 200, body: [{ stream_id: stream.stream_id }] })
  await crm.drop()
  expect(await reads(fresh)).toMatchObject({ status: 401 })
  expect(await askToken(crm.id, secret)).toMatchObject({ status: 401 })
  await other.drop()
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
