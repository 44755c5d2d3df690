import { expect, test } from 'vitest'
import { start } from '../integration/product.ts'
import { freshDatabase, MASTER_KEY } from './databases.ts'

test('two nodes on one PostgreSQL: what one has written, the other answers with, at the latest where it is asked to', async () => {
  const url = await freshDatabase()
  await using one = await start({ url, masterKey: MASTER_KEY })
  await using two = await start({ url, masterKey: MASTER_KEY, claim: false })
  const here = one.client()
  const there = two.clientWith(() => one.adminToken)
  await here.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await here.resourceTypes.create({ slug: 'customer' })
  await here.permissions.create({ slug: 'customer:read', type: 'customer' })
  await here.roles.create({ slug: 'reader', type: 'customer', permissions: ['customer:read'] })
  await here.people.create({ externalId: 'ada', name: 'Ada' })
  await here.resources.put({ type: 'customer', id: 'acme' })
  const given = { principal: 'user:ada', role: 'reader', resource: 'customer/acme' }
  const question = { principal: 'user:ada', permission: 'customer:read', resource: 'customer/acme' }
  for (let n = 0; n < 20; n++) {
    const written = await one.request('POST', '/assignments', given)
    const consistency = written.headers.get('valetkey-revision') ?? ''
    expect((await there.access.check({ ...question, consistency })).allowed).toBe(true)
    await here.assignments.remove({ id: written.body.id })
    expect(
      (await there.access.check({ ...question, consistency: 'local' })).allowed,
      'nobody asked yet',
    ).toBe(true)
    expect((await there.access.check(question)).allowed).toBe(false)
  }
  await here.assignments.create(given)
  const policy = { version: 1, roles: { reader: { type: 'customer', permissions: [] } } }
  const compared = await there.access.whatIf({ policy, checks: [question], principals: ['user:ada'] })
  expect(compared.checks).toEqual([{ before: true, after: false }])
  expect((await here.access.check(question)).allowed, 'nothing of it stayed').toBe(true)
})
