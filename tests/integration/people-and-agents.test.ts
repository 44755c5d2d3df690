import { expect, describe as group, test } from 'vitest'
import { northwind, start } from './product.ts'

group('people and owners', () => {
  test('409: an address is one person, however it is written', async () => {
    await using product = await start()
    await northwind(product)
    await expect(
      product.client().people.create({ email: 'Maya@Northwind.test', name: 'Maya' }),
    ).rejects.toMatchObject({ status: 409, code: 'conflict.exists' })
  })

  test('a suspended owner stops the agents at the next revision; only an active one may own', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    const check = () =>
      admin.decisions.check({
        agent: 'support-bot',
        server: 'billing',
        name: 'get_invoice',
        arguments: { id: '7' },
      })
    expect(await check()).toMatchObject({ decision: 'permit' })
    await admin.people.update({ id: 'maya@northwind.test', status: 'suspended' })
    expect(await check()).toMatchObject({ decision: 'deny', reason: 'suspended' })
    await expect(
      admin.agents.create({ name: 'other', owner: 'maya@northwind.test', ceiling: [] }),
    ).rejects.toMatchObject({ status: 400, path: 'owner' })
    await admin.agents.suspend({ id: 'support-bot' })
    await expect(admin.agents.resume({ id: 'support-bot', reason: 'looked into' })).rejects.toMatchObject({
      status: 409,
      code: 'conflict.state',
    })
  })

  test('409: a retired person stays retired', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await admin.people.update({ id: 'maya@northwind.test', status: 'retired' })
    await expect(admin.people.update({ id: 'maya@northwind.test', status: 'active' })).rejects.toMatchObject({
      status: 409,
      code: 'conflict.state',
    })
  })
})

group('agents', () => {
  test('409: a name is one agent, however it is written', async () => {
    await using product = await start()
    await northwind(product)
    await expect(
      product.client().agents.create({ name: 'Support-Bot', owner: 'maya@northwind.test', ceiling: [] }),
    ).rejects.toMatchObject({ status: 409, message: 'There is an agent "Support-Bot" in northwind already.' })
  })

  test('200: the same again changes nothing and raises no revision', async () => {
    await using product = await start()
    const { agent } = await northwind(product)
    const admin = product.client()
    const before = await admin.organizations.get({ id: 'northwind' })
    await admin.agents.update({
      id: 'support-bot',
      ceiling: ['invoices:*', 'invoices:*'],
      owner: agent.owner,
    })
    await admin.agents.resume({ id: 'support-bot', reason: 'looked into' })
    expect(await admin.organizations.get({ id: 'northwind' })).toEqual(before)
  })
})
