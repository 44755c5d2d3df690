import { expect, test } from 'vitest'
import { createBootstrapCode } from '../../packages/server/src/directory/index.ts'
import { start } from './product.ts'

test('401: the bootstrap code works once, and there is no new one after it', async () => {
  await using product = await start({ claim: false })
  const code = product.bootstrapCode ?? ''
  expect(code).toMatch(/^vk_boot_[\w-]{43}$/)
  const claim = () => product.clientWith(() => code).session.bootstrap({ name: 'ada' })
  const [won, lost] = await Promise.allSettled([claim(), claim()])
  expect([won.status, lost.status].sort()).toEqual(['fulfilled', 'rejected'])
  await expect(claim()).rejects.toMatchObject({ status: 401, code: 'auth.invalid' })
  expect(await createBootstrapCode(product.store, product.now())).toBeNull()
  expect(await product.events()).toContainEqual(expect.objectContaining({ type: 'api_token.created' }))
})

test('403: the code opens nothing but the trade, and no other token can trade', async () => {
  await using product = await start({ claim: false })
  const bearer = product.clientWith(() => product.bootstrapCode ?? '')
  await expect(bearer.organizations.list({})).rejects.toMatchObject({ status: 403 })
  const { token } = await bearer.session.bootstrap({})
  const admin = product.clientWith(() => token)
  await expect(admin.session.bootstrap({})).rejects.toMatchObject({ status: 403 })
  await expect(
    product.request('POST', '/api-tokens', { name: 'x', permissions: ['bootstrap:claim'] }, bearerOf(token)),
  ).resolves.toMatchObject({ status: 400 })
})

test('401: the code ends after 15 minutes; a new start prints one that takes its place', async () => {
  await using product = await start({ claim: false })
  product.passTime(15 * 60_000)
  const old = product.clientWith(() => product.bootstrapCode ?? '')
  await expect(old.session.bootstrap({})).rejects.toMatchObject({ status: 401 })
  const second = await createBootstrapCode(product.store, product.now())
  const third = await createBootstrapCode(product.store, product.now())
  await expect(product.clientWith(() => second ?? '').session.bootstrap({})).rejects.toMatchObject({
    status: 401,
  })
  await expect(product.clientWith(() => third ?? '').session.bootstrap({})).resolves.toMatchObject({
    apiToken: { permissions: ['*'] },
  })
})

test('429: wrong codes from one address are slowed down, for a minute', async () => {
  await using product = await start({ claim: false })
  const wrong = product.clientWith(() => 'vk_boot_wrong')
  for (let i = 0; i < 10; i++)
    await expect(wrong.session.bootstrap({})).rejects.toMatchObject({ status: 401 })
  await expect(wrong.session.bootstrap({})).rejects.toMatchObject({ status: 429, code: 'request.too_many' })
  product.passTime(60_000)
  const right = product.clientWith(() => product.bootstrapCode ?? '')
  await expect(right.session.bootstrap({})).resolves.toMatchObject({ apiToken: { name: 'first-admin' } })
})

function bearerOf(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}
