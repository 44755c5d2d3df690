import { expect, test } from 'vitest'
import { northwind, start } from './product.ts'

test('200: a person may go by an external id in place of an email address', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const alice = await admin.people.create({ externalId: 'emp-4711', name: 'Alice' })
  expect(alice).toMatchObject({ externalId: 'emp-4711', email: '' })
  expect(await admin.people.get({ id: 'emp-4711' })).toEqual(alice)
  const ada = await admin.people.create({ email: 'Ada@northwind.test', name: 'Ada' })
  expect(ada).toMatchObject({ externalId: 'ada@northwind.test', email: 'ada@northwind.test' })
  expect((await admin.agents.create({ name: 'bot', owner: 'emp-4711', ceiling: [] })).owner).toBe(alice.id)
  expect(await product.events()).toContainEqual(
    expect.objectContaining({ type: 'person.created', target: alice.id }),
  )
})

test('400 and 409: a person has one name, which nobody else has and which can be read', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const refused = async (body: Record<string, string>) =>
    (await product.request('POST', '/people', { name: 'Alice', ...body })).status
  expect(await refused({})).toBe(400)
  expect(await refused({ email: 'a@northwind.test', externalId: 'a' })).toBe(400)
  expect(await refused({ externalId: '' })).toBe(400)
  expect(await refused({ externalId: 'e\u0301' })).toBe(400)
  expect(await refused({ externalId: 'a\u200bb' })).toBe(400)
  expect(await refused({ externalId: 'a\nb' })).toBe(400)
  expect(await refused({ externalId: 'x'.repeat(257) })).toBe(400)
  expect(await refused({ externalId: `usr_${'0'.repeat(26)}` })).toBe(400)
  expect((await admin.people.list({})).items).toEqual([])
  await admin.people.create({ externalId: 'alice', name: 'Alice' })
  expect(await refused({ externalId: 'alice' })).toBe(409)
})

test('200: what would be decided for an agent that acts for a person, by the grant that stands between the two', async () => {
  await using product = await start()
  await northwind(product)
  const admin = product.client()
  const definition = { server: 'billing', name: 'get_invoice', arguments: { id: 'INV-1' } }
  const call = { agent: 'support-bot', person: 'maya@northwind.test', ...definition }
  const decided = async () => {
    const { decision, reason } = await admin.decisions.check(call)
    return `${decision} ${reason}`
  }
  const alone = await admin.decisions.check({ ...call, person: undefined })
  expect(alone).toMatchObject({ decision: 'permit', reason: 'permitted' })
  expect(await decided()).toBe('deny revoked')
  await admin.agents.update({ id: 'support-bot', kind: 'both' })
  const one = { agent: 'support-bot', person: 'maya@northwind.test', scopes: ['invoices:read'] }
  const grant = await admin.grants.create(one)
  expect(await decided()).toBe('deny user_lacks_permission')
  await admin.assignments.create({ principal: 'maya@northwind.test', role: 'clerk' })
  expect(await decided()).toBe('permit permitted')
  const narrow = await admin.decisions.check({ ...call, scopes: ['other:read'] })
  expect(narrow.reason).toBe('scope_missing')
  await admin.grants.revoke({ id: grant.id })
  expect(await decided()).toBe('deny revoked')
  await expect(admin.decisions.check({ ...call, person: 'nobody@northwind.test' })).rejects.toMatchObject({
    status: 404,
  })
})
