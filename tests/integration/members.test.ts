import { expect, describe as group, test } from 'vitest'
import { northwind, type Product, start } from './product.ts'

async function startNorthwind() {
  const product = await start()
  const admin = product.client()
  await northwind(product)
  const contoso = await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
  const eve = await admin.people.create({ organization: 'contoso', email: 'eve@contoso.test', name: 'Eve' })
  await admin.agents.update({ ...HERE, id: 'support-bot', kind: 'both' })
  return Object.assign(product, { admin, contoso, eve })
}

const HERE = { organization: 'northwind' }
const revisionOf = async (product: Product) =>
  (await product.client().organizations.get({ id: 'northwind' })).revision
const MAYA = 'user:maya@northwind.test'

group('groups', () => {
  test('200: members are people, agents, services and groups, by any reference; again changes nothing', async () => {
    await using product = await startNorthwind()
    const { admin } = product
    await admin.groups.create({ ...HERE, name: 'finance', title: 'Finance' })
    product.passTime(1)
    const inner = await admin.groups.create({ ...HERE, name: 'clerks' })
    await admin.services.create({ ...HERE, name: 'nightly' })
    const members = [MAYA, 'support-bot', 'service:nightly', inner.id]
    for (const member of members) await admin.groups.add({ ...HERE, group: 'finance', member })
    const before = await revisionOf(product)
    for (const member of members) await admin.groups.add({ ...HERE, group: 'group:finance', member })
    expect(await revisionOf(product)).toBe(before)
    const { items } = await admin.groups.members({ ...HERE, group: 'finance' })
    expect(items.map(({ kind, name }) => `${kind}:${name}`).sort()).toEqual([
      'agent:support-bot',
      'group:clerks',
      'service:nightly',
      MAYA,
    ])
    expect((await admin.groups.list(HERE)).items.map(({ name, title }) => [name, title])).toEqual([
      ['finance', 'Finance'],
      ['clerks', 'clerks'],
    ])
  })

  test('a role of a group is had by its members, and goes with the membership and with the group', async () => {
    await using product = await startNorthwind()
    const { admin } = product
    await admin.groups.create({ ...HERE, name: 'finance' })
    await admin.groups.create({ ...HERE, name: 'clerks' })
    await admin.assignments.create({ ...HERE, principal: 'group:finance', role: 'clerk' })
    await admin.groups.add({ ...HERE, group: 'finance', member: 'group:clerks' })
    await admin.groups.add({ ...HERE, group: 'clerks', member: MAYA })
    const may = async () => {
      const question = { principal: MAYA, permission: 'invoices:read', resource: 'organization/northwind' }
      return (await admin.access.check({ ...HERE, ...question })).allowed
    }
    expect(await may()).toBe(true)
    await admin.groups.drop({ ...HERE, group: 'clerks', member: MAYA })
    expect(await may()).toBe(false)
    await admin.groups.add({ ...HERE, group: 'clerks', member: MAYA })
    expect(await may()).toBe(true)
    await admin.groups.remove({ ...HERE, group: 'finance' })
    expect(await may()).toBe(false)
    await admin.groups.create({ ...HERE, name: 'finance' })
    await admin.groups.add({ ...HERE, group: 'finance', member: MAYA })
    expect(await may()).toBe(false)
  })

  test('409: no name twice, and no circles', async () => {
    await using product = await startNorthwind()
    const { admin } = product
    for (const name of ['a', 'b', 'c']) await admin.groups.create({ ...HERE, name })
    const add = (group: string, member: string) => admin.groups.add({ ...HERE, group, member })
    await add('a', 'group:b')
    await add('b', 'group:c')
    const before = await revisionOf(product)
    await expect(add('c', 'group:a')).rejects.toMatchObject({ code: 'conflict.state' })
    await expect(add('a', 'group:a')).rejects.toMatchObject({ code: 'conflict.state' })
    await expect(admin.groups.create({ ...HERE, name: 'A' })).rejects.toMatchObject({
      code: 'conflict.exists',
    })
    expect(await revisionOf(product)).toBe(before)
  })

  test('404: nobody of another organization becomes a member, by name or by id', async () => {
    await using product = await startNorthwind()
    const { admin, eve } = product
    await admin.groups.create({ ...HERE, name: 'finance' })
    for (const member of [eve.id, `user:${eve.id}`, 'user:eve@contoso.test', 'group:nobody', 'nobody']) {
      const add = admin.groups.add({ ...HERE, group: 'finance', member })
      await expect(add, member).rejects.toMatchObject({ status: 404 })
    }
    const drop = admin.groups.drop({ ...HERE, group: 'finance', member: MAYA })
    await expect(drop).rejects.toMatchObject({ status: 404 })
    const foreign = admin.groups.members({ organization: 'contoso', group: 'finance' })
    await expect(foreign).rejects.toMatchObject({ status: 404 })
  })
})

group('services', () => {
  test('200: a service holds roles until it is suspended; retired is final', async () => {
    await using product = await startNorthwind()
    const { admin } = product
    const made = await admin.services.create({ ...HERE, name: 'nightly', title: 'Nightly run' })
    expect(made).toMatchObject({ name: 'nightly', title: 'Nightly run', status: 'active' })
    await admin.assignments.create({ ...HERE, principal: 'service:nightly', role: 'clerk' })
    const may = async () => {
      const question = { permission: 'invoices:read', resource: 'organization/northwind' }
      return (await admin.access.check({ ...HERE, principal: 'service:nightly', ...question })).allowed
    }
    const set = (status: 'active' | 'suspended' | 'retired') =>
      admin.services.update({ ...HERE, service: 'nightly', status })
    expect(await may()).toBe(true)
    await set('suspended')
    expect(await may()).toBe(false)
    await set('active')
    expect(await may()).toBe(true)
    await set('retired')
    await expect(set('active')).rejects.toMatchObject({ code: 'conflict.state' })
    await expect(admin.services.create({ ...HERE, name: 'nightly' })).rejects.toMatchObject({ status: 409 })
    const other = admin.services.update({ organization: 'contoso', service: made.id, status: 'active' })
    await expect(other).rejects.toMatchObject({ status: 404 })
  })
})

group('grants', () => {
  const GRANT = { ...HERE, agent: 'support-bot', person: MAYA, scopes: ['invoices:read'] }

  test('200: a grant is listed with whom it is between, and what it covers', async () => {
    await using product = await startNorthwind()
    const { admin } = product
    await admin.resourceTypes.create({ slug: 'customer' })
    await admin.resources.put({ ...HERE, type: 'customer', id: 'acme' })
    const whole = await admin.grants.create(GRANT)
    expect(whole).toMatchObject({
      ...{ agentName: 'support-bot', personEmail: 'maya@northwind.test', status: 'live', expiresAt: null },
      ...{ scopes: ['invoices:read'], resources: ['organization/northwind'] },
    })
    product.passTime(1)
    const one = await admin.grants.create({ ...GRANT, resources: ['customer/acme'] })
    expect(one.resources).toEqual(['customer/acme'])
    expect((await admin.grants.list({ ...HERE, person: MAYA })).items).toEqual([whole, one])
    await admin.resources.remove({ ...HERE, resource: 'customer/acme' })
    await admin.resources.put({ ...HERE, type: 'customer', id: 'acme' })
    expect((await admin.grants.list({ ...HERE, agent: 'support-bot' })).items[1]?.resources).toEqual([])
  })

  test('200: revoking ends it once; an end that passes makes it expired', async () => {
    await using product = await startNorthwind()
    const { admin } = product
    const { id } = await admin.grants.create(GRANT)
    expect(await admin.grants.revoke({ id })).toMatchObject({ status: 'revoked' })
    const before = await revisionOf(product)
    expect(await admin.grants.revoke({ id })).toMatchObject({ status: 'revoked' })
    expect(await revisionOf(product)).toBe(before)
    const log = await product.store.db.selectFrom('changeLog').selectAll().where('factId', '=', id).execute()
    expect(log.map(row => row.value === null)).toEqual([false, true])
    product.passTime(1)
    const expiresAt = new Date(product.now() + 1000).toISOString()
    await admin.grants.create({ ...GRANT, expiresAt })
    product.passTime(1000)
    const { items } = await admin.grants.list(HERE)
    expect(items.map(({ status }) => status)).toEqual(['revoked', 'expired'])
  })

  test('400, 404, 409: of what cannot be granted', async () => {
    await using product = await startNorthwind()
    const { admin, eve } = product
    const before = await revisionOf(product)
    const refused = (more: object) => expect(admin.grants.create({ ...GRANT, ...more })).rejects
    await refused({ expiresAt: new Date(product.now() - 1).toISOString() }).toMatchObject({ status: 400 })
    await refused({ scopes: [] }).toMatchObject({ status: 400 })
    await refused({ person: eve.id }).toMatchObject({ status: 404 })
    await refused({ resources: ['customer/acme'] }).toMatchObject({ status: 404 })
    await refused({ agent: 'nobody' }).toMatchObject({ status: 404 })
    await admin.agents.update({ ...HERE, id: 'support-bot', kind: 'autonomous' })
    await refused({}).toMatchObject({ code: 'conflict.state' })
    expect(await revisionOf(product)).toBe(before + 1)
    await expect(admin.grants.revoke({ id: `gnt_${'0'.repeat(26)}` })).rejects.toMatchObject({ status: 404 })
  })
})

group('assignments on resources', () => {
  async function startCustomers() {
    const product = await startNorthwind()
    const { admin } = product
    await admin.resourceTypes.create({ slug: 'customer' })
    for (const id of ['acme', 'globex']) await admin.resources.put({ ...HERE, type: 'customer', id })
    await admin.permissions.create({ slug: 'customers:read', type: 'customer' })
    await admin.roles.create({ slug: 'reader', type: 'customer', permissions: ['customers:read'] })
    const give = (more: object = {}) =>
      admin.assignments.create({
        ...{ ...HERE, principal: 'support-bot', role: 'reader', resource: 'customer/acme', ...more },
      })
    return Object.assign(product, { give })
  }

  test('200: the same role from two sources stands until both have taken it back', async () => {
    await using product = await startCustomers()
    const { admin, give } = product
    const direct = await give()
    const approval = await give({ source: 'approval', sourceId: 'req-1' })
    expect(approval.id).not.toBe(direct.id)
    expect((await give({ source: 'approval', sourceId: 'req-1' })).id).toBe(approval.id)
    const may = async () => {
      const question = { permission: 'customers:read', resource: 'customer/acme' }
      return (await admin.access.check({ ...HERE, principal: 'support-bot', ...question })).allowed
    }
    await admin.assignments.remove({ id: direct.id })
    expect(await may()).toBe(true)
    await admin.assignments.remove({ id: approval.id })
    expect(await may()).toBe(false)
  })

  test('422: a role is given on resources of its own type only', async () => {
    await using product = await startCustomers()
    const { give } = product
    await expect(give({ resource: undefined })).rejects.toMatchObject({ status: 422 })
    await expect(give({ role: 'clerk' })).rejects.toMatchObject({ status: 422 })
    await expect(give({ role: 'clerk', resource: 'organization/northwind' })).resolves.toBeTruthy()
    await expect(give({ resource: 'organization/contoso' })).rejects.toMatchObject({ status: 404 })
  })

  test('200: all roles of a principal, or all on a resource, are taken away in one revision', async () => {
    await using product = await startCustomers()
    const { admin, give } = product
    await give()
    await give({ resource: 'customer/globex' })
    await give({ principal: MAYA })
    await give({ principal: MAYA, source: 'idp', sourceId: 'okta' })
    const before = await revisionOf(product)
    expect(await admin.assignments.clear({ ...HERE, resource: 'customer/acme' })).toEqual({ removed: 3 })
    expect(await revisionOf(product)).toBe(before + 1)
    expect(await admin.assignments.clear({ ...HERE, resource: 'customer/acme' })).toEqual({ removed: 0 })
    expect(await revisionOf(product)).toBe(before + 1)
    const { items } = await admin.assignments.list({ ...HERE, principal: 'support-bot' })
    expect(items.map(({ resource }) => resource).sort()).toEqual([
      'customer/globex',
      'organization/northwind',
    ])
    expect(await admin.assignments.clear({ ...HERE, principal: 'support-bot' })).toEqual({ removed: 2 })
    await expect(admin.assignments.clear(HERE)).rejects.toMatchObject({ status: 400 })
  })
})

group('roles of an organization', () => {
  test("200: an organization's own role takes the place of the one for all, there alone", async () => {
    await using product = await startNorthwind()
    const { admin } = product
    const own = await admin.roles.create({ ...HERE, slug: 'clerk', permissions: [] })
    expect(own.organization).toBe((await admin.organizations.get({ id: 'northwind' })).id)
    expect((await admin.roles.get({ id: 'clerk' })).organization).toBeNull()
    expect(await admin.roles.get({ ...HERE, id: 'clerk' })).toEqual(own)
    expect(await admin.roles.get({ organization: 'contoso', id: 'clerk' })).toMatchObject({
      organization: null,
    })
    expect((await admin.roles.list(HERE)).items).toHaveLength(2)
    expect((await admin.roles.list({})).items).toHaveLength(1)
    const before = await revisionOf(product)
    await admin.roles.update({ ...HERE, id: 'clerk', permissions: ['invoices:read'] })
    expect(await revisionOf(product)).toBe(before + 1)
    const given = await admin.assignments.create({ ...HERE, principal: MAYA, role: 'clerk' })
    const row = product.store.db.selectFrom('assignment').select('roleId').where('id', '=', given.id)
    expect((await row.executeTakeFirstOrThrow()).roleId).toBe(own.id)
  })

  test("404: another organization's own role is unknown", async () => {
    await using product = await startNorthwind()
    const { admin } = product
    const own = await admin.roles.create({ ...HERE, slug: 'local', permissions: [] })
    for (const id of ['local', own.id]) {
      const get = admin.roles.get({ organization: 'contoso', id })
      await expect(get).rejects.toMatchObject({ status: 404 })
      const give = admin.assignments.create({
        ...{ organization: 'contoso', principal: 'user:eve@contoso.test', role: id },
      })
      await expect(give).rejects.toMatchObject({ status: 404 })
    }
    await expect(admin.roles.create({ ...HERE, slug: 'local', permissions: [] })).rejects.toMatchObject({
      status: 409,
    })
  })
})

group('permissions', () => {
  test('200: label, risk and condition change, and a condition can be taken away', async () => {
    await using product = await startNorthwind()
    const { admin } = product
    const condition = 'context.hour < 18'
    expect(await admin.permissions.update({ id: 'invoices:read', condition })).toMatchObject({ condition })
    expect(await admin.permissions.update({ id: 'invoices:read', label: 'Read' })).toMatchObject({
      ...{ condition, label: 'Read' },
    })
    expect(await admin.permissions.update({ id: 'invoices:read', condition: null })).toMatchObject({
      condition: null,
    })
    const broken = admin.permissions.update({ id: 'invoices:read', condition: 'context.hour <' })
    await expect(broken).rejects.toMatchObject({ status: 422 })
    await expect(admin.permissions.create({ slug: 'x:y', condition: '1 + 1' })).rejects.toMatchObject({
      status: 422,
    })
  })
})
