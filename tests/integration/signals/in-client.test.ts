import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { api as contract, createClient } from '@valetkey/sdk/contract'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createFetch, createReach } from '../../../packages/server/src/outbound/index.ts'
import { readConfig, startAuthority } from '../../../packages/server/src/server/index.ts'
import { createSourceTokens } from '../../../packages/server/src/signals/source-tokens.ts'
import { personWith } from '../../e2e/person.ts'
import { type Site, startSite } from '../consent-site.ts'
import { createPerson } from '../federation/hop.ts'
import { openScriptedOidc, type ScriptedOidc } from '../federation/scripted-oidc.ts'
import { openTransmitterPartner, type TransmitterPartner } from './transmitter-partner.ts'

const MAYA = 'maya@northwind.test'
const SECRET = 'a-secret-of-ours-that-nobody-guesses-at-all'

let ours: Site
let idp: ScriptedOidc
let partner: TransmitterPartner
let privateJwk: JWK & { kty: 'EC'; d: string }

beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  privateJwk = { ...(await exportJWK(pair.privateKey)), kid: 'k1' } as typeof privateJwk
  const publicJwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }
  ;[ours, idp, partner] = await Promise.all([
    startSite(),
    openScriptedOidc('valetkey'),
    openTransmitterPartner([
      { client_id: 'by-secret', client_secret: SECRET },
      {
        ...{ client_id: 'by-key', token_endpoint_auth_method: 'private_key_jwt' },
        jwks: { keys: [publicJwk] },
      },
    ]),
  ])
  const oidc = { issuer: idp.issuer, clientId: 'valetkey', takesUnverifiedEmail: true }
  await ours.api.identityProviders.create({ name: 'idp', oidc, revokesOnLogout: false })
  await ours.api.domains.claim({ domain: 'northwind.test', provider: 'idp' })
  await ours.api.domains.trust({ domain: 'northwind.test' })
  await ours.api.people.create({ email: MAYA, name: 'Maya' })
  await ours.api.assignments.create({ principal: `user:${MAYA}`, role: 'desk' })
}, 60_000)

afterAll(async () => {
  await ours?.[Symbol.asyncDispose]()
  await Promise.all([idp?.close(), partner?.close()])
})

beforeEach(() => partner.say({}))

type Wish = Parameters<Site['api']['signalSources']['create']>[0]
const add = (name: string, more: Partial<Wish> = {}) =>
  ours.api.signalSources.create({ name, provider: 'idp', issuer: partner.issuer, ...more })
const bySecret = { client: { id: 'by-secret', secret: SECRET } }
const drop = (signalSource: string) => ours.api.signalSources.remove({ signalSource })
const sourceOf = async (name: string) =>
  (await ours.api.signalSources.list({})).items.find(source => source.name === name)
/** Has a source be polled at the next look, rather than when its time has come. */
const pollNow = () => sql`update signal_source set next_poll_at = 0`.execute(ours.authority.store.db)
const polls = () => partner.asked.filter(({ path }) => path === 'POST /ssf/poll')

/** Maya signs in at the provider and lets an agent act. */
async function consents() {
  idp.say({ claims: { email: MAYA, sid: 'one', sub: 'sub-maya', auth_time: Math.floor(Date.now() / 1000) } })
  const client = await ours.agent(`agent-${Math.random().toString(36).slice(2)}`, {
    ceiling: ['tickets:read'],
  })
  const person = createPerson(ours.url, idp.issuer)
  const browser = person.at(ours.url)
  const page = await browser.open(ours.ask(client, { scope: ['tickets:read'] }))
  const shown = await person.follow(await browser.submit(page, { email: MAYA, way: 'provider' }))
  const { leaves } = await personWith(browser, MAYA).answer(shown, { scope: ['tickets:read'] })
  expect(await ours.redeem(client, leaves ?? new URL('about:blank'))).toMatchObject({ status: 200 })
  return async () => (await ours.api.grants.list({ agent: client.id })).items[0]?.status
}

describe('another authority of ours as the transmitter', () => {
  let theirs: Site
  beforeAll(async () => {
    theirs = await startSite()
    await theirs.api.people.create({ email: MAYA, name: 'Maya' })
  }, 60_000)
  afterAll(() => theirs?.[Symbol.asyncDispose]())

  const tokensOf = async (receiver: string) => {
    await theirs.api.audit.changes({ limit: 1 })
    const { items } = await theirs.api.audit.changes({ type: 'token.issued', limit: 50 })
    return items.filter(({ actor }) => actor === receiver).map(({ target }) => target ?? '')
  }

  test('its stream is opened and polled by client credentials, and what it says ends here; a token is kept, renewed once on 401, and gone with the secret', async () => {
    const made = await theirs.api.signalReceivers.create({ name: 'valetkey', subjects: 'email' })
    const client = { id: made.id, secret: made.secret }
    const source = await add('theirs', { issuer: theirs.url, client })
    expect(source).toMatchObject({
      ...{ issuer: theirs.url, jwksUri: `${theirs.url}/signals/jwks.json`, audience: made.audience },
      client: {
        ...{ id: made.id, method: 'client_secret_basic', authorizationServer: theirs.url },
        ...{ tokenUrl: `${theirs.url}/token`, resource: `${theirs.url}/signals` },
      },
    })
    const [receiver] = (await theirs.api.signalReceivers.list({})).items
    expect(receiver?.stream).toMatchObject({
      ...{ delivery: 'poll', status: 'enabled', events: ['session-revoked', 'credential-change'] },
    })
    expect(source.pollUrl).toBe(`${theirs.url}/signals/poll/${receiver?.stream?.id}`)

    const status = await consents()
    await theirs.api.people.update({ id: MAYA, status: 'suspended' })
    await vi.waitFor(
      async () => {
        await pollNow()
        expect(await status()).toBe('revoked')
      },
      { timeout: 15_000, interval: 500 },
    )
    // One that opened the stream, and one that polls, however often.
    expect(await tokensOf(made.id)).toHaveLength(2)

    const [polling] = await tokensOf(made.id)
    await theirs.api.revocations.create({ kind: 'token', id: polling ?? '', reason: 'test' })
    await vi.waitFor(
      async () => {
        await pollNow()
        expect(await tokensOf(made.id)).toHaveLength(3)
      },
      { timeout: 10_000, interval: 300 },
    )
    await vi.waitFor(async () => expect((await sourceOf('theirs'))?.lastFault).toBeNull())

    await theirs.api.signalReceivers.rotateSecret({ receiver: 'valetkey' })
    await vi.waitFor(
      async () => {
        await pollNow()
        expect((await sourceOf('theirs'))?.lastFault).toBe('no token: invalid_client')
      },
      { timeout: 10_000, interval: 300 },
    )
    const said = JSON.stringify([
      await ours.api.signalSources.list({}),
      await ours.api.audit.changes({ type: 'signal_source.created', limit: 10 }),
    ])
    expect(said).toContain(made.id)
    expect(said).not.toContain(made.secret)
    const { rows } = await sql<object>`select * from signal_source`.execute(ours.authority.store.db)
    expect(JSON.stringify(rows)).not.toContain(made.secret)
    await drop('theirs')
  })

  test('a wrong secret adds nothing, and the stream that is there is found again', async () => {
    const { id, secret } = await theirs.api.signalReceivers.create({ name: 'again', subjects: 'email' })
    await expect(
      add('again', { issuer: theirs.url, client: { id, secret: `${secret}x` } }),
    ).rejects.toMatchObject({ status: 400, message: expect.stringContaining('invalid_client') })
    const first = await add('again', { issuer: theirs.url, client: { id, secret } })
    await drop('again')
    const second = await add('again', { issuer: theirs.url, client: { id, secret } })
    expect(second.pollUrl).toBe(first.pollUrl)
    await drop('again')
  })

  test('a stream that is pushed is not polled', async () => {
    const pushOrigin = ours.url
    const { id, secret } = await theirs.api.signalReceivers.create({ name: 'pushed', pushOrigin })
    await theirs.api.signalStreams.start({ receiver: 'pushed', endpoint: `${ours.url}/nowhere` })
    await expect(add('pushed', { issuer: theirs.url, client: { id, secret } })).rejects.toMatchObject({
      ...{ status: 400, message: expect.stringContaining('pushes the events') },
    })
  })
})

describe('a transmitter whose authorization server is somebody else’s', () => {
  test.each([
    ['by its secret', bySecret, 'client_secret_basic'],
    ['by its key', { client: () => ({ id: 'by-key', privateJwk }) }, 'private_key_jwt'],
  ])('is asked %s, with a token for reading alone', async (_, { client }, method) => {
    const source = await add('partner', { client: typeof client === 'function' ? client() : client })
    expect(source).toMatchObject({ audience: 'https://us.test', client: { method } })
    expect(source.pollUrl).toBe(`${partner.resource}/poll`)
    const opened = partner.asked.find(({ path }) => path === 'POST /ssf/streams')
    expect(JSON.parse(opened?.body ?? '')).toMatchObject({ delivery: { method: 'urn:ietf:rfc:8936' } })
    await vi.waitFor(() => expect(polls().length).toBeGreaterThan(0), { timeout: 10_000 })
    expect(polls()[0]?.authorization).not.toBe(opened?.authorization)
    expect(JSON.stringify(source)).not.toMatch(new RegExp(`${SECRET}|"d"`))
    await drop('partner')
  })

  test('with a poll address of its own no stream is touched', async () => {
    const source = await add('own', { ...bySecret, pollUrl: `${partner.resource}/poll`, audience: 'us' })
    expect(source).toMatchObject({ audience: 'us', client: { id: 'by-secret' } })
    expect(partner.asked.filter(({ path }) => path === 'POST /ssf/streams')).toEqual([])
    await drop('own')
  })

  test('a header that does not change stays, for one that gives out nothing else; not beside a client', async () => {
    const pollUrl = `${partner.resource}/poll`
    const fixed = await add('fixed', { pollUrl, authorization: 'Bearer static' })
    expect(fixed.client).toBeNull()
    await vi.waitFor(() => expect(polls()[0]?.authorization).toBe('Bearer static'), { timeout: 10_000 })
    // Nothing could be renewed: it is not asked again at once.
    await vi.waitFor(async () => expect((await sourceOf('fixed'))?.lastFault).toBe('status 401'))
    expect(polls()).toHaveLength(1)
    await drop('fixed')
    await expect(add('both', { ...bySecret, pollUrl, authorization: 'Bearer static' })).rejects.toMatchObject(
      { status: 400 },
    )
  })
})

describe('what would lead the secret astray is refused, and no secret has left', () => {
  const CONFIGURATION = '/.well-known/ssf-configuration'
  const RESOURCE = '/.well-known/oauth-protected-resource/ssf'
  const DISCOVERY = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']
  const EVIL = 'http://127.0.0.1:9'
  const server = (more: object) => {
    const body = { issuer: partner.issuer, token_endpoint: `${partner.issuer}/token`, ...more }
    return Object.fromEntries(DISCOVERY.map(path => [path, { body }]))
  }
  const metadata = (more: object) => ({
    body: { ...(partner.honest[CONFIGURATION]?.body as object), ...more },
  })
  const attacks: [string, () => Parameters<TransmitterPartner['say']>[0], RegExp][] = [
    ['a token endpoint elsewhere', () => server({ token_endpoint: `${EVIL}/token` }), /own/],
    ['no token endpoint', () => server({ token_endpoint: undefined }), /own/],
    ['an authorization server of another name', () => server({ issuer: EVIL }), /what it is/],
    [
      'an authorization server elsewhere that nobody named',
      () => ({ [RESOURCE]: { body: { resource: partner.resource, authorization_servers: [EVIL] } } }),
      /name it: authorizationServer/,
    ],
    [
      'the metadata of another resource',
      () => ({ [RESOURCE]: { body: { resource: `${EVIL}/ssf`, authorization_servers: [partner.issuer] } } }),
      /another resource/,
    ],
    [
      'metadata that lead away',
      () => ({ [RESOURCE]: { status: 302, headers: { location: EVIL } } }),
      /who issues/,
    ],
    ['a transmitter of another name', () => ({ [CONFIGURATION]: metadata({ issuer: EVIL }) }), /otherwise/],
    [
      'a transmitter that takes no OAuth clients',
      () => ({ [CONFIGURATION]: metadata({ authorization_schemes: [{ spec_urn: 'urn:made:up' }] }) }),
      /no OAuth clients/,
    ],
    [
      'a configuration endpoint in clear elsewhere',
      () => ({ [CONFIGURATION]: metadata({ configuration_endpoint: 'http://elsewhere.test/x' }) }),
      /not https/,
    ],
    [
      'a challenge that leads away',
      () => ({
        '/ssf/streams': {
          ...{ status: 401, headers: { 'www-authenticate': `Bearer resource_metadata="${EVIL}/x"` } },
        },
      }),
      /another host/,
    ],
  ]
  test.each(attacks)('%s', async (_, script, message) => {
    partner.say(script())
    await expect(add('attacked', bySecret)).rejects.toMatchObject({
      ...{ status: 400, message: expect.stringMatching(message) },
    })
    expect(partner.tokens()).toBe(0)
    expect(await sourceOf('attacked')).toBeUndefined()
  })

  test('an authorization server that is named counts only where the transmitter takes its tokens', async () => {
    const client = { ...bySecret.client, authorizationServer: ours.url }
    await expect(add('named', { client })).rejects.toMatchObject({
      ...{ status: 400, message: expect.stringContaining('takes no tokens of') },
    })
    expect(partner.tokens()).toBe(0)
  })

  test('a token endpoint that redirects is not followed', async () => {
    partner.say({ '/token': { status: 307, headers: { location: `${partner.issuer}/ssf/stolen` } } })
    await expect(add('redirected', bySecret)).rejects.toMatchObject({ status: 400 })
    expect(partner.asked.filter(({ path }) => path.includes('stolen'))).toEqual([])
  })

  test('a stream that is fetched elsewhere would get the token', async () => {
    const delivery = { ...partner.stream.delivery, endpoint_url: `${EVIL}/poll` }
    for (const stream of [
      { ...partner.stream, delivery },
      { ...partner.stream, iss: EVIL },
    ]) {
      // The challenge comes first: whoever has no token is told where to get one.
      partner.say({})
      const said = add('elsewhere', bySecret)
      partner.say({
        '/ssf/streams': {
          ...{ status: 200, body: [stream] },
          headers: { 'www-authenticate': `Bearer resource_metadata="${partner.issuer}${RESOURCE}"` },
        },
      })
      await expect(said).rejects.toMatchObject({ status: 400, message: expect.stringContaining(EVIL) })
    }
  })

  test('no key that signs, no two proofs and none', async () => {
    const client = { id: 'by-key' }
    await expect(add('none', { client })).rejects.toMatchObject({ status: 400 })
    await expect(add('two', { client: { ...client, privateJwk, secret: 'x' } })).rejects.toMatchObject({
      status: 400,
    })
    const bad = { ...privateJwk, d: 'AAAA' }
    await expect(add('bad', { client: { ...client, privateJwk: bad } })).rejects.toMatchObject({
      ...{ status: 400, message: expect.stringContaining('no private key') },
    })
  })
})

test('a token is renewed before it ends', async () => {
  const source = await add('kept', bySecret)
  const { store } = ours.authority
  let nowMs = 0
  const tokens = createSourceTokens({
    ...{ store, now: () => nowMs },
    fetch: createFetch(createReach({ privateHosts: [], isOwnMachine: true })),
  })
  const row = await store.db
    .selectFrom('signalSource')
    .selectAll()
    .where('id', '=', source.id)
    .executeTakeFirstOrThrow()
  const first = await tokens.authorize(row)
  nowMs = 569_000
  expect(await tokens.authorize(row)).toBe(first)
  nowMs = 571_000
  const second = await tokens.authorize(row)
  expect(second).not.toBe(first)
  expect(await tokens.authorize(row, { isNew: true })).not.toBe(second)
  await drop('kept')
})

/** An authority that others reach, with an organization that has a provider. */
async function openPublic(issuerPrivateHosts: string[], providerIssuer = idp.issuer) {
  const issuer = 'https://auth.test'
  const config = readConfig({
    flags: {
      ...{ issuer, issuerPrivateHosts, httpPort: 0, adminPort: 0, databaseUrl: 'sqlite::memory:' },
      ...{ masterKey: Buffer.alloc(32, 7).toString('base64'), logLevel: 'error', passwordCost: 14 },
    },
  })
  const authority = await startAuthority(config, { log: pino({ level: 'silent' }), drainMs: 200 })
  const baseUrl = `http://${authority.address}`
  const claim = createClient(contract, { baseUrl, token: () => authority.bootstrapCode ?? '' })
  const { token } = await claim.session.bootstrap({ name: 'admin' })
  const api = createClient(contract, { baseUrl, token: () => token })
  await api.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const oidc = { issuer: providerIssuer, clientId: 'valetkey' }
  const { id: provider } = await api.identityProviders.create({ name: 'idp', oidc })
  return { api, provider, baseUrl, [Symbol.asyncDispose]: () => authority.close() }
}

test('an authority that others reach asks nobody in its own network, unless the host is named', async () => {
  await using closed = await openPublic([])
  const wish = { name: 'inside', provider: 'idp', issuer: partner.issuer, ...bySecret }
  await expect(closed.api.signalSources.create(wish)).rejects.toMatchObject({ status: 400 })
  await expect(
    closed.api.signalSources.create({ ...wish, client: undefined, pollUrl: `${partner.resource}/poll` }),
  ).rejects.toMatchObject({ status: 400 })
  expect(partner.asked).toEqual([])
  expect(partner.tokens()).toBe(0)
  await using open = await openPublic([new URL(partner.issuer).host])
  expect(await open.api.signalSources.create(wish)).toMatchObject({ client: { id: 'by-secret' } })
})

test('nor an identity provider there', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(404).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const inside = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  // Whoever says that somebody has signed out there has the provider asked for its keys.
  const signOut = ({ baseUrl, provider }: Awaited<ReturnType<typeof openPublic>>) =>
    fetch(`${baseUrl}/federation/${provider}/backchannel-logout`, {
      ...{ method: 'POST', body: new URLSearchParams({ logout_token: 'a.b.c' }) },
    })
  await using closed = await openPublic([], inside)
  expect((await signOut(closed)).ok).toBe(false)
  expect(asked).toEqual([])
  await using open = await openPublic([new URL(inside).host], inside)
  expect((await signOut(open)).ok).toBe(false)
  expect(asked).toContain('/.well-known/openid-configuration')
  await new Promise(resolve => server.close(resolve))
})
