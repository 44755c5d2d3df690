import { type AdminApi, ApiError, type Client } from '@valetkey/sdk/contract'
import { expect, test } from 'vitest'
import { northwind, type Product, start } from '../integration/product.ts'
import { describeOnBoth, MASTER_KEY } from './databases.ts'

describeOnBoth('the directory', (_open, place) => {
  /** Two nodes where the database takes two, else one node twice; both as the same administrator. */
  async function startTwo(): Promise<AsyncDisposable & { product: Product; clients: Client<AdminApi>[] }> {
    const url = await place.newUrl()
    const product = await start({ url, masterKey: MASTER_KEY })
    const token = () => product.adminToken
    const second =
      place.dialect === 'postgres' ? await start({ url, masterKey: MASTER_KEY, claim: false }) : undefined
    return {
      product,
      clients: [product.clientWith(token), (second ?? product).clientWith(token)],
      async [Symbol.asyncDispose]() {
        await second?.[Symbol.asyncDispose]()
        await product[Symbol.asyncDispose]()
      },
    }
  }

  /** Runs the same thing many times at once, on both nodes. */
  async function race<T>(
    clients: Client<AdminApi>[],
    run: (client: Client<AdminApi>, n: number) => Promise<T>,
  ) {
    const all = Array.from({ length: 8 }, (_, n) => clients[n % 2])
    const results = await Promise.allSettled(all.map((client, n) => client && run(client, n)))
    const faults = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
    for (const fault of faults) expect(fault).toBeInstanceOf(ApiError)
    return {
      made: results.flatMap(result => (result.status === 'fulfilled' && result.value ? [result.value] : [])),
      codes: faults.map(fault => (fault as ApiError).code),
    }
  }

  test('of many who take a name at once one gets it, and the others are told', async () => {
    await using two = await startTwo()
    await northwind(two.product)
    for (const run of [
      (c: Client<AdminApi>) => c.agents.create({ name: 'same', owner: 'maya@northwind.test', ceiling: [] }),
      (c: Client<AdminApi>) => c.people.create({ email: 'same@northwind.test', name: 'Same' }),
      (c: Client<AdminApi>) => c.servers.create({ name: 'same', url: 'https://same.test' }),
      (c: Client<AdminApi>) => c.permissions.create({ slug: 'same:read' }),
      (c: Client<AdminApi>) => c.roles.create({ slug: 'same', permissions: [] }),
      (c: Client<AdminApi>) => c.organizations.create({ slug: 'same', name: 'Same' }),
    ]) {
      const { made, codes } = await race<{ id: string }>(two.clients, run)
      expect(made).toHaveLength(1)
      expect(new Set(codes)).toEqual(new Set(['conflict.exists']))
    }
  })

  test('numbers and bits are given once, however many are made at once', async () => {
    await using two = await startTwo()
    await northwind(two.product)
    await race(two.clients, (c, n) => c.organizations.create({ slug: `o${n}`, name: 'O' }))
    await race(two.clients, (c, n) => c.permissions.create({ slug: `p${n}:read` }))
    await race(two.clients, (c, n) =>
      c.people.create({ email: `p${n}@x.test`, name: 'P', organization: 'northwind' }),
    )
    const { db } = two.product.store
    const bits = await db.selectFrom('permission').select('bit').orderBy('bit').execute()
    expect(bits.map(({ bit }) => bit)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    const seqs = await db.selectFrom('principal').select('seq').orderBy('seq').execute()
    expect(seqs.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect((await two.product.client().organizations.list({})).items).toHaveLength(9)
  })

  test('a role given many times at once is one assignment in one revision', async () => {
    await using two = await startTwo()
    await northwind(two.product)
    const before = await two.product.client().organizations.get({ id: 'northwind' })
    const { made, codes } = await race(two.clients, c =>
      c.assignments.create({ principal: 'maya@northwind.test', role: 'clerk' }),
    )
    expect(codes).toEqual([])
    expect(new Set(made.map(({ id }) => id)).size).toBe(1)
    const after = await two.product.client().organizations.get({ id: 'northwind' })
    expect(after.revision).toBe(before.revision + 1)
  })

  test('one idempotency key at once on two nodes makes one thing, and all get the first answer', async () => {
    await using two = await startTwo()
    await northwind(two.product)
    const create = () =>
      two.product.request(
        'POST',
        '/agents/support-bot/credentials',
        { kind: 'secret' },
        { 'idempotency-key': 'k' },
      )
    const answers = await Promise.all(Array.from({ length: 6 }, create))
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.secret}`)).size).toBe(1)
    expect((await two.product.client().credentials.list({ agent: 'support-bot' })).items).toHaveLength(2)
  })

  test('a bootstrap code that is traded many times at once gives one token', async () => {
    await using product = await start({ url: await place.newUrl(), masterKey: MASTER_KEY, claim: false })
    const code = product.clientWith(() => product.bootstrapCode ?? '')
    const { made, codes } = await race([code, code], c => c.session.bootstrap({}))
    expect(made).toHaveLength(1)
    expect(new Set(codes)).toEqual(new Set(['auth.invalid']))
  })

  test('a text that the database cannot hold is a clear no', async () => {
    await using product = await start({ url: await place.newUrl(), masterKey: MASTER_KEY })
    await northwind(product)
    expect((await product.request('GET', '/agents/a%00b')).status).toBe(400)
    expect((await product.request('GET', '/agents?organization=a%00b')).status).toBe(400)
    expect(
      (await product.request('POST', '/check', { agent: 'a\u0000', server: 'b', name: 'c' })).status,
    ).toBe(400)
  })
})
