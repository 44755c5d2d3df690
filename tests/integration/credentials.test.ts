import { generateKeyPairSync } from 'node:crypto'
import { expect, describe as group, test } from 'vitest'
import { northwind, start } from './product.ts'

group('credentials', () => {
  const pair = (type: 'P-256' | 'P-384' | 'Ed25519' | 'secp256k1' | 1024 | 2048, publicExponent = 65537) => {
    const { publicKey, privateKey } =
      type === 'Ed25519'
        ? generateKeyPairSync('ed25519')
        : typeof type === 'number'
          ? generateKeyPairSync('rsa', { modulusLength: type, publicExponent })
          : generateKeyPairSync('ec', { namedCurve: type })
    const [jwk, secret] = [publicKey.export({ format: 'jwk' }), privateKey.export({ format: 'jwk' })]
    return { jwk: jwk as { kty: 'EC' }, secret: secret as { kty: 'EC' } }
  }

  test('200: keys of the three kinds, of which only what makes them is kept', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    for (const type of ['P-256', 'Ed25519', 2048] as const) {
      const publicKey = { ...pair(type).jwk, kid: `k-${type}`, x5u: 'https://evil.test', use: 'sig' }
      const made = await admin.credentials.create({ agent: 'support-bot', publicKey, label: `${type}` })
      expect(made).toMatchObject({ kind: 'key', secret: null, status: 'live' })
      const { publicJwk } = await product.store.db
        .selectFrom('credential')
        .select('publicJwk')
        .where('id', '=', made.id)
        .executeTakeFirstOrThrow()
      expect(publicJwk).toContain(`k-${type}`)
      expect(publicJwk).not.toContain('evil')
    }
  })

  test('400: weak, odd and private keys', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    const { jwk } = pair('P-256') as { jwk: { kty: 'EC'; x?: string } }
    const refused = [
      pair('P-384').jwk,
      pair('secp256k1').jwk,
      pair(1024).jwk,
      pair(2048, 3).jwk,
      pair('P-256').secret,
      pair('Ed25519').secret,
      { kty: 'oct', k: 'c2VjcmV0' } as never,
      { kty: 'EC' as const },
      { ...jwk, x: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
    ]
    for (const publicKey of refused)
      await expect(
        admin.credentials.create({ agent: 'support-bot', publicKey }),
        JSON.stringify(publicKey),
      ).rejects.toMatchObject({ status: 400 })
    await expect(admin.credentials.create({ agent: 'support-bot' })).rejects.toMatchObject({
      path: 'publicKey',
    })
    await expect(
      admin.credentials.create({ agent: 'support-bot', kind: 'secret', publicKey: jwk }),
    ).rejects.toMatchObject({ path: 'publicKey' })
  })

  test('409: no two agents share a key, however it is spelt', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await admin.agents.create({ name: 'other', owner: 'maya@northwind.test', ceiling: [] })
    const jwk = pair('P-256').jwk as { kty: 'EC'; x: string; y: string }
    await admin.credentials.create({ agent: 'support-bot', publicKey: jwk })
    for (const publicKey of [jwk, { ...jwk, kid: 'another' }, { ...jwk, x: `${jwk.x}=` }])
      await expect(admin.credentials.create({ agent: 'other', publicKey })).rejects.toMatchObject({
        status: 409,
        code: 'conflict.exists',
      })
  })

  test('400: a secret lives a year at most, and nothing is born expired', async () => {
    await using product = await start()
    const { credential } = await northwind(product)
    const admin = product.client()
    const inDays = (days: number) => new Date(product.now() + days * 86_400_000).toISOString()
    expect(credential).toMatchObject({ kind: 'secret', expiresAt: inDays(365) })
    const create = (days: number) =>
      admin.credentials.create({ agent: 'support-bot', kind: 'secret', expiresAt: inDays(days) })
    for (const days of [-1, 0, 366])
      await expect(create(days), `${days}`).rejects.toMatchObject({ status: 400, path: 'expiresAt' })
    product.passTime(1)
    const { id } = await create(1)
    product.passTime(86_400_000)
    const { items } = await admin.credentials.list({ agent: 'support-bot' })
    expect(items.map(item => [item.id === id, item.status])).toEqual([
      [false, 'live'],
      [true, 'expired'],
    ])
  })
})
