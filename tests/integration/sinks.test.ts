import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { expect, test, vi } from 'vitest'
import { CERTIFICATE, startHttpReceiver, startSyslogReceiver } from '../storage/receivers.ts'
import { type Product, start } from './product.ts'
import { openTerminal } from './terminal.ts'

const WEBHOOK = { name: 'hook', kind: 'webhook', url: 'https://siem.example.com/hook' } as const

async function startWith(privateHosts: string[] = []): Promise<Product> {
  const product = await start({ sinkPrivateHosts: privateHosts })
  await product.client().organizations.create({ slug: 'northwind', name: 'Northwind' })
  return product
}

async function settle(product: Product, check: () => void | Promise<void>): Promise<void> {
  await vi.waitFor(
    async () => {
      await product.audit.flush()
      product.passTime(60_000)
      await product.sinks.wake()
      await check()
    },
    { timeout: 15_000, interval: 20 },
  )
}

test('200: changes reach a webhook of the organization, signed with what was shown once', async () => {
  await using server = await startHttpReceiver()
  await using product = await startWith([`localhost:${server.port}`])
  const admin = product.client()
  const url = `https://localhost:${server.port}/hook`
  const { signingSecret, ...made } = await admin.sinks.create({ ...WEBHOOK, url, authority: CERTIFICATE })
  expect(made).toMatchObject({
    format: 'cloudevents',
    takes: ['calls', 'changes', 'alerts'],
    status: 'active',
    sent: 0,
  })
  await admin.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  const typesIn = (body: string, headers: Record<string, string>): string[] => {
    vi.useFakeTimers({ now: Number(headers['webhook-timestamp']) * 1000, toFake: ['Date'] })
    const events = new Webhook(signingSecret ?? '').verify(body, headers) as { data: { type: string } }[]
    vi.useRealTimers()
    return events.map(({ data }) => data.type)
  }
  // It is on record, and so it is the first thing that leaves.
  await settle(product, () =>
    expect(server.received.flatMap(({ body, headers }) => typesIn(body, headers)).sort()).toEqual([
      'person.created',
      'sink.created',
    ]),
  )
  await settle(product, async () =>
    expect(await admin.sinks.get({ sink: 'hook' })).toMatchObject({
      sent: 2,
      backlog: 0,
      failingSince: null,
      lastError: null,
    }),
  )
})

test('200: paused it waits, resumed it sends, and what waits can be passed over', async () => {
  await using server = await startHttpReceiver()
  await using product = await startWith([`localhost:${server.port}`])
  const admin = product.client()
  const url = `https://localhost:${server.port}/hook`
  await admin.sinks.create({ ...WEBHOOK, url, authority: CERTIFICATE, takes: ['changes'], format: 'ocsf' })
  await settle(product, () => expect(server.received).toHaveLength(1))
  await admin.sinks.update({ sink: 'hook', status: 'paused' })
  await admin.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  await settle(product, async () => expect((await admin.sinks.get({ sink: 'hook' })).backlog).toBe(2))
  expect(server.received).toHaveLength(1)
  await admin.sinks.update({ sink: 'hook', from: 'now', status: 'active' })
  await admin.people.create({ email: 'leo@northwind.test', name: 'Leo' })
  const types = () =>
    server.received.flatMap(({ body }) => JSON.parse(body)).map(({ unmapped }) => unmapped.type)
  await settle(product, () => expect(types()).toContain('person.created'))
  expect(types().filter(type => type === 'person.created')).toHaveLength(1)
})

test('200: a made-up record says at once whether a receiver takes it', async () => {
  await using server = await startSyslogReceiver()
  await using product = await startWith([`localhost:${server.port}`])
  const admin = product.client()
  const url = `syslog+tls://localhost:${server.port}`
  await admin.sinks.create({ name: 'siem', kind: 'syslog', url, authority: CERTIFICATE })
  expect(await admin.sinks.test({ sink: 'siem' })).toEqual({ ok: true, answer: 'The receiver has it.' })
  // Beside it comes what is recorded of the sink itself.
  expect(server.messages).toContainEqual(expect.stringContaining('A made-up record'))
  await admin.sinks.update({ sink: 'siem', authority: null })
  expect(await admin.sinks.test({ sink: 'siem' })).toMatchObject({
    ok: false,
    answer: expect.stringContaining('CERT'),
  })
})

test('nothing is sent into this network unless the node says that it may', async () => {
  await using server = await startHttpReceiver()
  await using product = await startWith()
  const admin = product.client()
  for (const [name, host] of [
    ['a', 'localhost'],
    ['b', '127.0.0.1'],
    ['c', '[::ffff:127.0.0.1]'],
    ['d', '169.254.169.254'],
  ]) {
    await admin.sinks.create({
      ...WEBHOOK,
      name: name ?? '',
      url: `https://${host}:${server.port}/`,
      authority: CERTIFICATE,
    })
    expect(await admin.sinks.test({ sink: name ?? '' })).toEqual({
      ok: false,
      answer: 'The address lies within this network; sinkPrivateHosts does not name it.',
    })
  }
  expect(server.received).toEqual([])
})

test('secrets are sealed, shown nowhere and recorded nowhere', async () => {
  await using product = await startWith()
  const admin = product.client()
  const headers = { 'x-api-key': 'key-of-the-receiver' }
  const { signingSecret } = await admin.sinks.create({ ...WEBHOOK, headers })
  await admin.sinks.update({ sink: 'hook', headers: { 'x-api-key': 'another-key' } })
  const shown = JSON.stringify([
    await admin.sinks.list({}),
    await admin.sinks.get({ sink: 'hook' }),
    await product.events(),
  ])
  const kept = JSON.stringify(await product.store.db.selectFrom('sink').selectAll().execute())
  for (const secret of ['key-of-the-receiver', 'another-key', signingSecret ?? '']) {
    expect(shown).not.toContain(secret)
    expect(kept).not.toContain(secret)
  }
  expect(await admin.sinks.get({ sink: 'hook' })).toMatchObject({ headerNames: ['x-api-key'] })
  // Nor do they go along to another address.
  const elsewhere = admin.sinks.update({ sink: 'hook', url: 'https://elsewhere.example.com/' })
  await expect(elsewhere).rejects.toMatchObject({ code: 'request.invalid', path: 'headers' })
  const types = (await product.events())
    .filter(({ type }) => type.startsWith('sink.'))
    .map(({ type }) => type)
  expect(types.sort()).toEqual(['sink.created', 'sink.updated'])
})

test('400: what cannot be sent, or should not, changes nothing', async () => {
  await using product = await startWith()
  const admin = product.client()
  for (const bad of [
    { url: 'http://siem.example.com/' },
    { url: 'https://user:secret@siem.example.com/' },
    { url: 'https://siem.example.com/?key=secret' },
    { url: 'file:///etc/passwd' },
    { kind: 'file', url: 'file:///tmp/x' },
    { kind: 'syslog' },
    { format: 'cef' },
    { headers: { 'Content-Length': '1' } },
    { headers: { 'x-a': 'a\r\nx-b: c' } },
    { authority: `-----BEGIN PRIVATE KEY-----${'A'.repeat(64)}` },
    { signingSecret: 'short' },
    { takes: [] },
    { name: 'A' },
  ])
    expect(
      await product.request('POST', '/sinks', { ...WEBHOOK, ...bad }),
      JSON.stringify(bad),
    ).toMatchObject({ status: 400 })
  expect((await admin.sinks.list({})).items).toEqual([])
})

test('403, 404, 409: reading is not enough, names are taken once, and others have none', async () => {
  await using product = await startWith()
  const admin = product.client()
  await admin.sinks.create(WEBHOOK)
  await expect(admin.sinks.create(WEBHOOK)).rejects.toMatchObject({ status: 409 })
  const reader = product.client('sink:read')
  await expect(reader.sinks.remove({ sink: 'hook' })).rejects.toMatchObject({ status: 403 })
  await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
  await expect(admin.sinks.get({ organization: 'contoso', sink: 'hook' })).rejects.toMatchObject({
    status: 404,
  })
  const { id } = await admin.sinks.get({ organization: 'northwind', sink: 'hook' })
  await expect(admin.sinks.remove({ organization: 'contoso', sink: id })).rejects.toMatchObject({
    status: 404,
  })
  await admin.sinks.remove({ organization: 'northwind', sink: id })
  await expect(reader.sinks.get({ organization: 'northwind', sink: 'hook' })).rejects.toMatchObject({
    status: 404,
  })
  expect(await product.store.db.selectFrom('evidencePosition').selectAll().execute()).toEqual([])
})

test('the command line: add, look, pause, test and remove', async () => {
  await using server = await startSyslogReceiver()
  await using product = await startWith([`localhost:${server.port}`])
  await using terminal = await openTerminal(product)
  writeFileSync(join(terminal.directory, 'ca.pem'), CERTIFICATE)
  const to = ['--to', `syslog+tls://localhost:${server.port}`, '--authority', 'ca.pem']
  expect(await terminal.valetkey(['sink', 'add', 'siem', '--kind', 'syslog', ...to])).toMatchObject({
    code: 0,
  })
  expect((await terminal.valetkey(['sink', 'ls'])).out).toMatch(/^siem\tsyslog\tcef\tactive\t\d+\t0\t/m)
  expect(await terminal.valetkey(['sink', 'test', 'siem'])).toMatchObject({
    code: 0,
    out: 'The receiver has it.\n',
  })
  await terminal.valetkey(['sink', 'set', 'siem', '--status', 'paused'])
  expect((await terminal.valetkey(['sink', 'show', 'siem'])).out).toContain('paused')
  const hook = [
    'sink',
    'add',
    'hook',
    '--kind',
    'webhook',
    '--to',
    WEBHOOK.url,
    '--secret-file',
    'hook.secret',
  ]
  const added = await terminal.valetkey(hook)
  expect([added.code, added.out.includes('whsec_'), added.err.includes('hook.secret')]).toEqual([
    0,
    false,
    true,
  ])
  expect(await terminal.valetkey(['sink', 'rm', 'siem', '--yes'])).toMatchObject({ code: 0 })
  expect((await terminal.valetkey(['sink', 'ls'])).out).not.toMatch(/^siem/m)
})
