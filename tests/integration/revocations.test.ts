import { expect, test } from 'vitest'
import { northwind, start } from './product.ts'

test('200: an agent and all of its credentials are taken back in one revision', async () => {
  await using product = await start()
  const { agent, organization } = await northwind(product)
  const admin = product.client()
  await admin.credentials.create({ agent: 'support-bot', kind: 'secret' })
  const before = await admin.organizations.get({ id: 'northwind' })
  const done = await admin.revocations.create({
    kind: 'agent',
    id: 'support-bot',
    reason: 'leaked',
    waitMs: 1000,
  })
  expect(done).toMatchObject({ id: agent.id, organization: organization.id, revision: before.revision + 1 })
  expect(done.barrier).toMatchObject({ complete: true, revision: done.revision, points: [] })
  expect((await admin.agents.get({ id: 'support-bot' })).status).toBe('suspended')
  const { items } = await admin.credentials.list({ agent: 'support-bot' })
  expect(items.map(({ status }) => status)).toEqual(['revoked', 'revoked'])
  const again = await admin.revocations.create({ kind: 'agent', id: 'support-bot' })
  expect(again.revision).toBe(done.revision)
  await admin.agents.resume({ id: 'support-bot', reason: 'looked into' })
  expect(
    await admin.decisions.check({
      agent: 'support-bot',
      server: 'billing',
      name: 'get_invoice',
      arguments: { id: '1' },
    }),
  ).toMatchObject({
    decision: 'deny',
    reason: 'revoked',
    sentence: expect.stringContaining('no live credential'),
  })
})

test('200: one credential is taken back, the other still works', async () => {
  await using product = await start()
  const { credential } = await northwind(product)
  const admin = product.client()
  product.passTime(1)
  const second = await admin.credentials.create({ agent: 'support-bot', kind: 'secret' })
  await admin.revocations.create({ kind: 'credential', id: credential.id })
  const { items } = await admin.credentials.list({ agent: 'support-bot' })
  expect(items.map(({ id, status }) => [id, status])).toEqual([
    [credential.id, 'revoked'],
    [second.id, 'live'],
  ])
})

test('200: a token is denied by its jti until it would have ended, and then forgotten', async () => {
  await using product = await start()
  await northwind(product)
  const admin = product.client()
  const first = await admin.revocations.create({ kind: 'token', id: 'jti-of-the-first' })
  expect((await admin.revocations.create({ kind: 'token', id: 'jti-of-the-first' })).revision).toBe(
    first.revision,
  )
  product.passTime(17 * 60_000)
  await admin.revocations.create({ kind: 'token', id: 'jti-of-the-second' })
  const kept = await product.store.db.selectFrom('revokedToken').select('id').execute()
  expect(kept).toEqual([{ id: 'jti-of-the-second' }])
})

test('400: the token itself is no name for it', async () => {
  await using product = await start()
  await northwind(product)
  for (const id of ['eyJhbGciOiJFUzI1NiJ9.e30.x', 'with space', 'short'])
    await expect(product.client().revocations.create({ kind: 'token', id })).rejects.toMatchObject({
      status: 400,
      path: 'id',
    })
})

test('404: an agent or credential that is not there', async () => {
  await using product = await start()
  await northwind(product)
  const admin = product.client()
  await expect(admin.revocations.create({ kind: 'agent', id: 'nobody' })).rejects.toMatchObject({
    status: 404,
  })
  await expect(admin.revocations.create({ kind: 'credential', id: 'support-bot' })).rejects.toMatchObject({
    status: 404,
  })
})

test('400: a permission that nothing asks for, with the one that was meant', async () => {
  await using product = await start()
  await expect(
    product.client().apiTokens.create({ name: 'ci', permissions: ['agents:read'] }),
  ).rejects.toMatchObject({
    status: 400,
    message: 'No operation asks for "agents:read". Did you mean "agent:read"?',
  })
})

test('403: a token makes none that carries more, lives longer, or takes back a larger one', async () => {
  await using product = await start()
  const admin = product.client()
  const expiresAt = new Date(product.now() + 3600_000).toISOString()
  const { token } = await admin.apiTokens.create({
    name: 'limited',
    permissions: ['api_token:write', 'agent:write'],
    expiresAt,
  })
  const limited = product.clientWith(() => token ?? '')
  const denied = { status: 403, code: 'permission.denied' }
  for (const permission of ['*', 'server:read', 'person:write'])
    await expect(limited.apiTokens.create({ name: 'x', permissions: [permission] })).rejects.toMatchObject(
      denied,
    )
  const longer = new Date(product.now() + 7200_000).toISOString()
  await expect(
    limited.apiTokens.create({ name: 'x', permissions: ['agent:read'], expiresAt: longer }),
  ).rejects.toMatchObject(denied)
  const child = await limited.apiTokens.create({ name: 'x', permissions: ['agent:read'] })
  expect(child.expiresAt).toBe(expiresAt)
  const { items } = await admin.apiTokens.list({})
  const large = items.find(({ permissions }) => permissions.includes('*'))
  await expect(limited.apiTokens.revoke({ id: large?.id ?? '' })).rejects.toMatchObject(denied)
  await expect(limited.apiTokens.revoke({ id: child.id })).resolves.toMatchObject({ id: child.id })
})

test('200: whoever waits for a change learns that it holds everywhere, or which revision is no one of theirs', async () => {
  await using product = await start()
  const { organization } = await northwind(product)
  const admin = product.client()
  const { revision } = await admin.organizations.get({ id: 'northwind' })
  expect(await admin.points.wait({})).toMatchObject({
    organization: organization.id,
    revision,
    complete: true,
  })
  await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
  const { revision: foreign } = await admin.access.effective({
    organization: 'contoso',
    principal: 'agent:nobody',
    resource: 'organization/contoso',
  })
  const refused = (given: string) => admin.points.wait({ organization: 'northwind', revision: given })
  await expect(refused(foreign)).rejects.toMatchObject({ status: 400, code: 'revision.unknown' })
  await expect(refused('rev_never')).rejects.toMatchObject({ status: 400, code: 'revision.unknown' })
})
