import { expect, test } from 'vitest'
import { northwind, start } from './product.ts'

const KEY = { 'idempotency-key': 'order-66' }

test('200: the same key with the same request gives the first answer again, secret included, and makes nothing twice', async () => {
  await using product = await start()
  await northwind(product)
  const create = () => product.request('POST', '/agents/support-bot/credentials', { kind: 'secret' }, KEY)
  const first = await create()
  expect(first.body.secret).toMatch(/^vk_sec_[\w-]{43}$/)
  expect(await create()).toMatchObject({ status: 200, body: first.body })
  const { items } = await product.client().credentials.list({ agent: 'support-bot' })
  expect(items.filter(item => item.id === first.body.id)).toHaveLength(1)
  expect(items).toHaveLength(2)
  const rows = await product.store.db.selectFrom('idempotency').select('sealedAnswer').execute()
  for (const { sealedAnswer } of rows) expect(sealedAnswer).not.toContain('vk_sec')
})

test('200: of many requests at once one makes the thing, and all get its answer', async () => {
  await using product = await start()
  const create = () => product.request('POST', '/organizations', { slug: 'northwind', name: 'N' }, KEY)
  const answers = await Promise.all(Array.from({ length: 8 }, create))
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1)
  expect((await product.client().organizations.list({})).items).toHaveLength(1)
})

test('409: the same key with another request', async () => {
  await using product = await start()
  const create = (slug: string) => product.request('POST', '/organizations', { slug, name: 'N' }, KEY)
  expect((await create('one')).status).toBe(200)
  expect(await create('two')).toMatchObject({ status: 409, body: { code: 'idempotency.reused' } })
})

test('a request that failed leaves its key free, and keys of different callers are different', async () => {
  await using product = await start()
  const create = (slug: string, headers = {}) =>
    product.request('POST', '/organizations', { slug, name: 'N' }, { ...KEY, ...headers })
  await product.client().organizations.create({ slug: 'taken', name: 'N' })
  expect(await create('taken')).toMatchObject({ status: 409, body: { code: 'conflict.exists' } })
  expect((await create('free')).status).toBe(200)
  const { token } = await product.client().apiTokens.create({ name: 'two', permissions: ['*'] })
  expect((await create('mine', { authorization: `Bearer ${token}` })).body.slug).toBe('mine')
})

test('a key is forgotten after a day', async () => {
  await using product = await start()
  const create = (slug: string) => product.request('POST', '/organizations', { slug, name: 'N' }, KEY)
  await create('one')
  product.passTime(24 * 3600_000)
  expect((await create('two')).status).toBe(200)
})

test('a key that is a day old is free also where nobody has swept it away yet', async () => {
  await using product = await start()
  const create = (slug: string, key: string) =>
    product.request('POST', '/organizations', { slug, name: 'N' }, { 'idempotency-key': key })
  await create('one', 'old')
  product.passTime(24 * 3600_000 - 60_000)
  await create('two', 'sweeps')
  product.passTime(60_000)
  expect(await product.store.db.selectFrom('idempotency').select('key').execute()).toHaveLength(2)
  expect((await create('three', 'old')).body.slug).toBe('three')
  expect((await create('three', 'old')).body.slug).toBe('three')
})

test('400: a key with control characters or without end', async () => {
  await using product = await start()
  const create = (key: string) =>
    product.request('POST', '/organizations', { slug: 'one', name: 'N' }, { 'idempotency-key': key })
  expect((await create('x'.repeat(256))).status).toBe(400)
  expect((await create('a b')).status).toBe(400)
})
