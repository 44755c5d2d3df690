import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ISSUER, northwind, start } from './product.ts'
import { openTerminal } from './terminal.ts'

const TERMINAL = { isTerminal: true, columns: 200 }

test('the one-time code signs a directory in, for everything below it and for nobody else', async () => {
  await using product = await start({ claim: false })
  await using terminal = await openTerminal(product)
  const login = await terminal.valetkey(['login', '--url', ISSUER], {
    env: {},
    input: [`${product.bootstrapCode}\n`],
  })
  expect(login).toMatchObject({ code: 0, out: `Signed in to ${ISSUER} as first-admin.\n` })
  const file = join(terminal.directory, '.valetkey/cli.json')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(terminal.directory, '.valetkey/.gitignore'), 'utf8')).toBe('*\n')
  expect((await terminal.valetkey(['whoami', '-o', 'name'], { env: {} })).out).toBe('first-admin\n')
})

test('a token from the environment is never sent to an address that a file names', async () => {
  await using product = await start()
  await using terminal = await openTerminal(product)
  await terminal.valetkey(['login', '--url', ISSUER], { env: {}, input: [product.adminToken] })
  const stray = await terminal.valetkey(['whoami'], { env: { VALETKEY_TOKEN: 'vk_other' } })
  expect(stray).toMatchObject({ code: 2, out: '' })
  expect(stray.err).toContain('no address to send it to')
  const elsewhere = await terminal.valetkey(['whoami', '--url', 'http://127.0.0.1:1'], { env: {} })
  expect(elsewhere.code).toBe(6)
  expect((await terminal.valetkey(['whoami', '--url', 'http://example.com'], { env: {} })).err).toContain(
    'not https',
  )
})

test('a key pair is made here: its private part goes into a file, its public part to the authority', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const create = ['credential', 'create', 'support-bot', '--generate', '--key-file', 'bot.jwk']
  const made = await terminal.valetkey([...create, '--label', 'laptop', '--json'])
  const file = join(terminal.directory, 'bot.jwk')
  const key = JSON.parse(readFileSync(file, 'utf8'))
  expect(key).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', d: expect.any(String) })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(made.out).not.toContain(key.d)
  expect(JSON.parse(made.out)).toMatchObject({ kind: 'Credential', item: { kind: 'key', label: 'laptop' } })

  const again = await terminal.valetkey(create)
  expect(again.code).toBe(2)
  expect(again.err).toContain('exists already')
  const { items } = await product.client().credentials.list({ agent: 'support-bot' })
  expect(items.filter(({ kind }) => kind === 'key')).toHaveLength(1)
  const leaked = await terminal.valetkey(['credential', 'create', 'support-bot', '--key', 'bot.jwk'])
  expect(leaked.err).toContain('holds a private key')
})

test('a secret is shown once, or goes into a file', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const create = ['credential', 'create', 'support-bot', '--secret', '--expires', '30d']
  const shown = await terminal.valetkey(create, TERMINAL)
  expect(shown.out).toMatch(/^secret +vk_sec_\S{43}$/m)
  expect(shown.out).toMatch(/^expires +in 30 d$/m)
  expect(shown.err).toBe('The secret is shown this once. Have you copied it?\n')
  const filed = await terminal.valetkey([...create, '--secret-file', 'secret'], TERMINAL)
  expect(filed.out).not.toContain('vk_sec_')
  expect(readFileSync(join(terminal.directory, 'secret'), 'utf8')).toMatch(/^vk_sec_\S{43}\n$/)
  const listed = await terminal.valetkey(['credential', 'ls', 'support-bot', '--json'])
  expect(listed.out).not.toContain('vk_sec_')
})

test('nothing is created whose secret has no place to go', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const nowhere = ['server', 'key', 'create', 'billing', '--secret-file', 'no/such/folder/key']
  expect((await terminal.valetkey(nowhere)).code).toBe(2)
  expect((await product.client().serverKeys.list({ server: 'billing' })).items).toEqual([])
  await terminal.valetkey(['server', 'key', 'create', 'billing', '--secret-file', 'key'])
  expect(readFileSync(join(terminal.directory, 'key'), 'utf8')).toMatch(/^vk_srv_\S{43}\n$/)
})

test('a secret that was not made leaves no file behind, so that it can be tried again', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const create = ['server', 'key', 'create', 'billing', '--secret-file', 'key']
  expect((await terminal.valetkey([...create, '--label', 'x'.repeat(1_000)])).code).not.toBe(0)
  expect((await terminal.valetkey(create)).code).toBe(0)
  expect(readFileSync(join(terminal.directory, 'key'), 'utf8')).toMatch(/^vk_srv_/)
})

test('a server may call another one for those who call it once that is allowed, and no more once it is not', async () => {
  await using product = await start()
  await northwind(product)
  await product.client().servers.create({ name: 'reports', url: 'https://reports.test/mcp' })
  await using terminal = await openTerminal(product)
  const forward = (...words: string[]) => terminal.valetkey(['server', 'forward', ...words])
  expect((await forward('allow', 'reports', 'billing')).code).toBe(0)
  expect((await forward('ls', 'reports', '-o', 'name')).out).toBe('reports -> billing\n')
  const rehearsed = await forward('disallow', 'reports', 'billing', '--dry-run')
  expect(rehearsed.err).toContain('reports may not call billing for others any more')
  expect((await forward('ls', 'reports', '-o', 'name')).out).toBe('reports -> billing\n')
  expect((await forward('disallow', 'reports', 'billing', '--reason', 'review')).code).toBe(0)
  expect((await forward('ls', 'reports', '-o', 'name')).out).toBe('')
  expect((await forward('disallow', 'reports', 'billing', '--yes')).code).not.toBe(0)
  const { items } = await product.client().audit.changes({ type: 'forward.disallowed' })
  expect(items).toMatchObject([{ detail: { reason: 'review' } }])
})

test('an upstream credential comes from a file or the standard input, and is shown nowhere', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const set = await terminal.valetkey(['server', 'credential', 'billing'], {
    input: ['Bearer upstream-secret\n'],
  })
  expect(set.code).toBe(0)
  expect(set.out + set.err).not.toContain('upstream-secret')
  expect(await product.client().servers.get({ id: 'billing' })).toMatchObject({ hasUpstreamCredential: true })
})

test('an agent is named by its id, its name, or enough of either', async () => {
  await using product = await start()
  const { agent } = await northwind(product)
  await product.client().agents.create({ name: 'support-cat', owner: 'maya@northwind.test', ceiling: [] })
  await using terminal = await openTerminal(product)
  const nameOf = async (text: string) => (await terminal.valetkey(['agent', 'get', text, '-o', 'name'])).out
  expect(await nameOf(agent.id)).toBe('support-bot\n')
  expect(await nameOf(agent.id.slice(0, -2))).toBe('support-bot\n')
  expect(await nameOf('support-b')).toBe('support-bot\n')
  const unclear = await terminal.valetkey(['agent', 'get', 'support'])
  expect(unclear.code).toBe(4)
  expect(unclear.err).toContain('"support" could be')
})

test('roles are made, changed by difference, given for a time and taken away', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const valetkey = (...argv: string[]) => terminal.valetkey(argv)
  await valetkey('permission', 'create', 'invoices:refund', '--risk', 'dangerous')
  await valetkey('role', 'create', 'refunder', '--permission', 'invoices:read')
  await valetkey('role', 'set', 'refunder', '--add', 'invoices:refund', '--remove', 'invoices:read')
  const admin = product.client()
  expect((await admin.roles.get({ id: 'refunder' })).permissions).toEqual(['invoices:refund'])
  const given = await valetkey('role', 'assign', 'support-bot', 'refunder', '--until', '2h', '--json')
  expect(JSON.parse(given.out).item).toMatchObject({
    role: 'refunder',
    expiresAt: '2027-01-01T02:00:00.000Z',
  })
  const untold = await valetkey('role', 'unassign', 'support-bot', 'refunder')
  expect(untold).toMatchObject({ code: 2, out: '' })
  expect(untold.err).toContain('Add --yes, or --reason TEXT.')
  expect((await valetkey('role', 'unassign', 'support-bot', 'refunder', '--yes')).code).toBe(0)
  expect((await admin.assignments.list({ role: 'refunder' })).items).toEqual([])
})

test('revoking previews, asks for the name, and says who has confirmed', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  const revoke = ['revoke', 'agent', 'support-bot', '--wait']
  const dry = await terminal.valetkey([...revoke, '--dry-run'], TERMINAL)
  expect(dry).toMatchObject({ code: 0, out: '' })
  expect(dry.err).toBe(
    'Agent support-bot of maya@northwind.test: 1 live credential, the role clerk.\n' +
      'With agent support-bot go: 1 credential.\n' +
      'Calls are refused from then on, and open streams cut, of: support-bot.\n' +
      '0 enforcement points are running and would be told.\n' +
      'Its credentials, grants and delegations are gone for good: resumed, it needs new ones.\n' +
      'Nothing was changed: this was a dry run.\n',
  )
  const mistyped = await terminal.valetkey(revoke, { ...TERMINAL, input: ['support'] })
  expect(mistyped.code).toBe(1)
  expect(await product.client().agents.get({ id: 'support-bot' })).toMatchObject({ status: 'active' })
  const done = await terminal.valetkey(revoke, { ...TERMINAL, input: ['support-bot'] })
  expect(done).toMatchObject({
    code: 0,
    out: 'No enforcement point is running: nothing is left that could let it through.\n',
  })
  expect(await product.client().agents.get({ id: 'support-bot' })).toMatchObject({ status: 'suspended' })
})

test('with a reason nobody is asked twice, and a script can stop an agent', async () => {
  await using product = await start()
  const { credential } = await northwind(product)
  await using terminal = await openTerminal(product)
  const revoked = await terminal.valetkey([
    'revoke',
    'credential',
    credential.id.slice(0, 28),
    '--reason',
    'leaked',
  ])
  expect(revoked).toMatchObject({ code: 0, err: '' })
  const suspended = await terminal.valetkey(['agent', 'suspend', 'support-bot', '-o', 'name'])
  expect(suspended).toMatchObject({ code: 0, out: 'support-bot\n' })
  const changes = await terminal.valetkey(['audit', 'changes', '--type', 'agent.suspended', '--json'])
  await product.events()
  expect(JSON.parse(changes.out).kind).toBe('ChangeList')
  expect(existsSync(join(terminal.directory, '.valetkey'))).toBe(false)
})

test('keys are listed, changed and taken away', async () => {
  await using product = await start()
  await using terminal = await openTerminal(product)
  await terminal.valetkey(['key', 'rotate', '--urgent'])
  product.passTime(10_000)
  const list = async () => JSON.parse((await terminal.valetkey(['key', 'ls', '--json'])).out).items
  const [next, active] = await list()
  expect([next.status, active.status]).toEqual(['next', 'active'])
  const dry = await terminal.valetkey(['key', 'retire', active.kid, '--dry-run'])
  expect(dry.err).toContain('Every token that it has signed is refused')
  const gone = await terminal.valetkey(['key', 'retire', active.kid, '--reason', 'leaked', '--wait'])
  expect(gone).toMatchObject({ code: 0, out: expect.stringContaining('No enforcement point is running') })
  expect((await list()).map(({ kid }: { kid: string }) => kid)).not.toContain(active.kid)
  expect((await list()).find(({ kid }: { kid: string }) => kid === next.kid)?.status).toBe('active')
})
