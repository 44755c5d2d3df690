import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeKey } from './federation/saml-craft.ts'
import { northwind, start } from './product.ts'
import { openTransmitterPartner } from './signals/transmitter-partner.ts'
import { openTerminal } from './terminal.ts'

const SECRET = 'the-secret-of-the-client'
const OKTA = ['idp', 'add', 'okta', '--issuer', 'https://northwind.okta.test', '--client-id', '0oa1']

async function open() {
  const product = await start()
  await northwind(product)
  const terminal = await openTerminal(product)
  const { valetkey, directory } = terminal
  return {
    ...{ admin: product.client(), valetkey, directory },
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]()
      await product[Symbol.asyncDispose]()
    },
  }
}

test('an OpenID provider is set up, changed, given roles, and removed', async () => {
  await using stage = await open()
  const { admin, valetkey } = stage
  const added = await valetkey([...OKTA, '--title', 'Okta', '--groups-claim', 'groups'], {
    input: [`${SECRET}\n`],
  })
  expect(added.code, added.err).toBe(0)
  const provider = await admin.identityProviders.get({ provider: 'okta' })
  expect(provider).toMatchObject({
    ...{ title: 'Okta', kind: 'oidc', hasSecret: true, provisions: false, revokesOnLogout: true },
    oidc: { clientId: '0oa1', scopes: ['openid', 'email', 'profile'], groupsClaim: 'groups' },
  })
  expect(added.err).toContain(`redirect URI https://auth.test/federation/${provider.id}/callback`)
  expect(added.err).toContain('/backchannel-logout')
  expect(added.out + added.err).not.toContain(SECRET)
  const set = ['idp', 'set', 'okta', '--scope', 'openid,groups', '--groups-claim', 'none', '--provisions']
  expect((await valetkey(set)).code).toBe(0)
  expect(await admin.identityProviders.get({ provider: 'okta' })).toMatchObject({
    provisions: true,
    oidc: { scopes: ['openid', 'groups'], groupsClaim: null, clientId: '0oa1' },
  })
  await valetkey(['idp', 'map', 'okta', 'Finance (EU)', 'clerk'])
  const roles = await valetkey(['idp', 'roles', 'okta', '--json'])
  expect(JSON.parse(roles.out).items).toEqual([
    { group: 'Finance (EU)', role: 'clerk', resource: 'organization/northwind' },
  ])
  expect((await valetkey(['idp', 'unmap', 'okta', 'Finance', 'clerk'])).err).toContain('nothing to take back')
  await valetkey(['idp', 'unmap', 'okta', 'Finance (EU)', 'clerk'])
  expect((await admin.identityProviders.get({ provider: 'okta' })).roles).toEqual([])
  expect((await valetkey(['idp', 'secret', 'okta'], { input: ['another\n'] })).code).toBe(0)
  expect((await valetkey(['idp', 'rm', 'okta'])).code).toBe(2)
  expect((await valetkey(['idp', 'rm', 'okta', '--dry-run'])).err).toContain('0 people are linked')
  expect((await valetkey(['idp', 'rm', 'okta', '--yes'])).code).toBe(0)
  expect((await admin.identityProviders.list({})).items).toEqual([])
})

test('a SAML provider is set up by a certificate, and trusts the next one beside it', async () => {
  await using stage = await open()
  const { admin, valetkey, directory } = stage
  const [first, second] = await Promise.all([makeKey(), makeKey()])
  writeFileSync(join(directory, 'first.pem'), first.certificate)
  writeFileSync(join(directory, 'second.pem'), second.certificate)
  const add = [
    'idp',
    'add',
    'adfs',
    '--entity-id',
    'https://adfs.test/x',
    '--sso-url',
    'https://adfs.test/sso',
  ]
  expect((await valetkey(add)).err).toContain('certificates')
  const added = await valetkey([...add, '--certificate', 'first.pem', '--email-attribute', 'none'])
  expect(added.code, added.err).toBe(0)
  expect(added.err).toMatch(
    /metadata, which is our entity id https:\/\/auth.test\/federation\/idp_\w+\/metadata/,
  )
  await valetkey([
    'idp',
    'set',
    'adfs',
    '--certificate',
    'first.pem',
    '--certificate',
    'second.pem',
    '--sign-requests',
  ])
  const { saml, requestCertificate } = await admin.identityProviders.get({ provider: 'adfs' })
  expect(saml).toMatchObject({ signsRequests: true, emailAttribute: null, entityId: 'https://adfs.test/x' })
  expect(saml?.certificates).toHaveLength(2)
  expect(requestCertificate).toContain('BEGIN CERTIFICATE')
  expect((await valetkey(['idp', 'set', 'adfs', '--certificate', 'gone.pem'])).err).toContain(
    'Cannot read gone.pem',
  )
  writeFileSync(join(directory, 'key.pem'), first.key)
  expect((await valetkey(['idp', 'set', 'adfs', '--certificate', 'key.pem'])).err).toContain('private key')
})

test('which kind of provider it is has to be said, once', async () => {
  await using stage = await open()
  const { valetkey } = stage
  for (const more of [[], ['--issuer', 'https://a.test', '--entity-id', 'x']])
    expect(await valetkey(['idp', 'add', 'okta', ...more])).toMatchObject({ code: 2 })
  expect((await valetkey([...OKTA, '--public'])).code).toBe(0)
})

test('a domain is claimed, proved by its record or on trust, and led elsewhere', async () => {
  await using stage = await open()
  const { admin, valetkey } = stage
  await valetkey([...OKTA, '--public'])
  const claimed = await valetkey(['domain', 'claim', 'Proved.Test.', '--idp', 'okta'])
  const [domain] = (await admin.domains.list({})).items
  expect(claimed.err).toContain(`_valetkey.proved.test TXT "${domain?.record.value}"`)
  expect(JSON.parse((await valetkey(['domain', 'verify', 'proved.test', '--json'])).out).item).toMatchObject({
    status: 'verified',
    verifiedBy: 'dns',
  })
  await valetkey(['domain', 'claim', 'northwind.test'])
  const missing = await valetkey(['domain', 'verify', 'northwind.test'])
  expect([missing.code, missing.err]).toEqual([
    expect.any(Number),
    expect.stringContaining('There is no TXT record'),
  ])
  expect(missing.code).not.toBe(0)
  expect((await valetkey(['domain', 'verify', 'northwind.test', '--trust'])).code).toBe(0)
  await valetkey(['domain', 'set', 'northwind.test', '--idp', 'okta'])
  await valetkey(['domain', 'set', 'proved.test', '--idp', 'none'])
  expect(
    (await admin.domains.list({})).items.map(({ domain, provider }) => [domain, provider !== null]),
  ).toEqual([
    ['northwind.test', true],
    ['proved.test', false],
  ])
  expect((await valetkey(['domain', 'rm', 'northwind.test', '--yes'])).code).toBe(0)
  expect((await valetkey(['domain', 'ls', '-o', 'name'])).out).toBe('proved.test\n')
})

test('the token of a directory is shown once, or goes into a file', async () => {
  await using stage = await open()
  const { admin, valetkey, directory } = stage
  await valetkey([...OKTA, '--public'])
  const made = await valetkey([
    'scim',
    'token',
    'create',
    'okta',
    '--idp',
    'okta',
    '--expires',
    '90d',
    '--secret-file',
    't',
  ])
  expect(made.code, made.err).toBe(0)
  expect(made.err).toContain('SCIM 2.0 at https://auth.test/scim/v2/northwind')
  const file = join(directory, 't')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(made.out + made.err).not.toContain(readFileSync(file, 'utf8').trim())
  const [token] = (await admin.scimTokens.list({})).items
  expect(token).toMatchObject({ name: 'okta', status: 'live', provider: expect.stringMatching(/^idp_/) })
  const shown = await valetkey(['scim', 'token', 'create', 'hr'])
  expect(shown.out).toMatch(/vk_scim_/)
  await valetkey(['scim', 'token', 'revoke', token?.id ?? '', '--yes'])
  const statuses = (await admin.scimTokens.list({})).items.map(({ name, status }) => [name, status])
  expect(Object.fromEntries(statuses)).toEqual({ okta: 'revoked', hr: 'live' })
})

test('a receiver of security events is let in, given a stream, paused, and put out', async () => {
  await using stage = await open()
  const { admin, valetkey, directory } = stage
  const create = [
    'signal',
    'receiver',
    'create',
    'siem',
    '--push-origin',
    'https://siem.test',
    '--secret-file',
    't',
  ]
  const made = await valetkey(create)
  expect(made.code, made.err).toBe(0)
  expect(made.err).toContain('https://auth.test/.well-known/ssf-configuration')
  expect(made.out + made.err).not.toContain(readFileSync(join(directory, 't'), 'utf8').trim())
  const [first = ''] = readFileSync(join(directory, 't'), 'utf8').split('\n')
  const rotated = await valetkey(['signal', 'receiver', 'rotate-secret', 'siem', '--secret-file', 'new'])
  expect(rotated.code, rotated.err).toBe(0)
  const [second = ''] = readFileSync(join(directory, 'new'), 'utf8').split('\n')
  expect(second).toMatch(/^vk_signal_/)
  expect(second).not.toBe(first)
  expect(rotated.out + rotated.err).not.toContain(second)
  expect((await valetkey(['signal', 'receiver', 'rotate-secret', 'siem'])).out).toMatch(/vk_signal_/)
  writeFileSync(join(directory, 'header'), 'Splunk s3cret\n')
  const start = ['signal', 'stream', 'start', 'siem', '--endpoint', 'https://siem.test/events']
  const started = await valetkey([...start, '--authorization-file', 'header', '--event', 'session-revoked'])
  expect(started.code, started.err).toBe(0)
  expect(started.out + started.err).not.toContain('s3cret')
  const stream = async () => (await admin.signalReceivers.list({})).items[0]?.stream
  expect(await stream()).toMatchObject({ delivery: 'push', status: 'enabled', events: ['session-revoked'] })
  for (const [verb, status] of [
    ['pause', 'paused'],
    ['resume', 'enabled'],
    ['stop', 'disabled'],
  ] as const) {
    await valetkey(['signal', 'stream', verb, 'siem', '--reason', 'maintenance'])
    expect(await stream()).toMatchObject({ status, reason: 'maintenance' })
  }
  expect((await valetkey(['signal', 'stream', 'verify', 'siem'])).code).toBe(0)
  expect((await valetkey(['signal', 'receiver', 'ls'])).out).toContain('disabled')
  expect((await valetkey(['signal', 'receiver', 'rm', 'siem'])).code).toBe(2)
  expect((await valetkey(['signal', 'receiver', 'rm', 'siem', '--yes'])).code).toBe(0)
  expect((await admin.signalReceivers.list({})).items).toEqual([])
  expect((await valetkey(['signal', 'rotate-key'])).out).toContain('next')
})

test('a provider whose security events count is named with its keys, and put out', async () => {
  await using stage = await open()
  const { admin, valetkey } = stage
  await valetkey([...OKTA, '--public'])
  const add = ['signal', 'source', 'add', 'okta', '--idp', 'okta', '--issuer', 'https://northwind.okta.test']
  const added = await valetkey([...add, '--jwks-uri', 'https://northwind.okta.test/keys'])
  expect(added.code, added.err).toBe(0)
  const [source] = (await admin.signalSources.list({})).items
  expect(added.err).toContain(`push to https://auth.test${source?.path}`)
  expect((await valetkey(['signal', 'source', 'ls', '-o', 'name'])).out).toBe('okta\n')
  expect((await valetkey(['signal', 'source', 'rm', 'okta', '--yes'])).code).toBe(0)
  expect((await admin.signalSources.list({})).items).toEqual([])
})

test('a client of a transmitter has an id and one proof, from a file, and none of it is shown', async () => {
  await using stage = await open()
  const { admin, valetkey, directory } = stage
  await valetkey([...OKTA, '--public'])
  const partner = await openTransmitterPartner([{ client_id: 'us', client_secret: SECRET }])
  writeFileSync(join(directory, 'secret'), `${SECRET}\n`)
  writeFileSync(join(directory, 'bad.jwk'), '{"kty":"EC"}')
  const add = ['signal', 'source', 'add', 'okta', '--idp', 'okta', '--issuer', partner.issuer]
  expect((await valetkey([...add, '--client-id', 'us'])).code).toBe(2)
  expect((await valetkey([...add, '--client-secret-file', 'secret'])).code).toBe(2)
  const bad = await valetkey([...add, '--client-id', 'us', '--client-key-file', 'bad.jwk'])
  expect(bad).toMatchObject({ code: 2, err: expect.stringContaining('no private key') })
  // This authority is one that others reach: it asks nobody on this machine.
  const refused = await valetkey([...add, '--client-id', 'us', '--client-secret-file', 'secret'])
  expect(refused.code).toBeGreaterThan(0)
  expect(refused.err).toContain('/.well-known/ssf-configuration')
  expect(refused.out + refused.err).not.toContain(SECRET)
  expect((await admin.signalSources.list({})).items).toEqual([])
  await partner.close()
})

test('an issuer for workloads is trusted, its jobs made agents, and put out; one for people likewise', async () => {
  await using stage = await open()
  const { admin, valetkey, directory } = stage
  const issuer = 'https://token.actions.test'
  const added = await valetkey(['issuer', 'add', 'github', '--workload', issuer])
  expect(added.code, added.err).toBe(0)
  expect(added.err).toContain('Next: valetkey issuer map github')
  const map = [
    'issuer',
    'map',
    'github',
    'support-bot',
    'repository=northwind/billing',
    'sub=repo:northwind/*',
  ]
  expect((await valetkey(map)).code).toBe(0)
  const claims = { repository: 'northwind/billing', sub: 'repo:northwind/*' }
  expect(await admin.issuers.get({ issuerId: 'github' })).toMatchObject({
    ...{ kind: 'workload', issuer, reusable: false, jwksUri: null },
    rules: [{ agentName: 'support-bot', claims }],
  })
  expect((await valetkey(['issuer', 'rules', 'github'])).out).toContain('repository=northwind/billing')
  expect((await valetkey(['issuer', 'map', 'github', 'support-bot', 'repository'])).code).toBe(2)
  writeFileSync(
    join(directory, 'keys.json'),
    JSON.stringify({
      keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
    }),
  )
  expect((await valetkey(['issuer', 'set', 'github', '--jwks', 'keys.json', '--reusable'])).code).toBe(0)
  expect(await admin.issuers.get({ issuerId: 'github' })).toMatchObject({
    ...{ reusable: true, jwks: { keys: [{ kty: 'OKP' }] } },
    rules: [{ claims }],
  })
  expect((await valetkey(['issuer', 'unmap', 'github', 'support-bot'])).code).toBe(0)
  expect((await admin.issuers.get({ issuerId: 'github' })).rules).toEqual([])
  expect((await valetkey(['issuer', 'add', 'both', '--workload', issuer, '--enterprise', issuer])).code).toBe(
    2,
  )
  const okta = ['issuer', 'add', 'okta', '--enterprise', 'https://northwind.okta.test', '--by-email']
  expect((await valetkey([...okta, '--tenant', 'northwind'])).code).toBe(0)
  expect((await valetkey(['issuer', 'set', 'okta', '--no-by-email', '--tenant', 'none'])).code).toBe(0)
  expect(await admin.issuers.get({ issuerId: 'okta' })).toMatchObject({ byEmail: false, tenant: null })
  expect((await valetkey(['issuer', 'rm', 'github', '--dry-run'])).err).toContain('No workload comes by it')
  expect((await valetkey(['issuer', 'rm', 'github', '--yes'])).code).toBe(0)
  const { items } = JSON.parse((await valetkey(['issuer', 'ls', '--json'])).out) as {
    items: { name: string }[]
  }
  expect(items.map(({ name }) => name)).toEqual(['okta'])
})
