import { expect, describe as group, test } from 'vitest'
import { northwind, start } from './product.ts'

group('roles and permissions', () => {
  test('422: a role holds no permission of a type above or beside its own', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await admin.resourceTypes.create({ slug: 'customer' })
    await admin.resourceTypes.create({ slug: 'line', parents: ['customer'] })
    await admin.permissions.create({ slug: 'lines:read', type: 'line' })
    const role = (slug: string, type: string, permissions: string[]) =>
      admin.roles.create({ slug, type, permissions })
    expect(await role('a', 'customer', ['lines:read'])).toMatchObject({ permissions: ['lines:read'] })
    expect(await role('b', 'organization', ['lines:read', 'invoices:read'])).toBeTruthy()
    await expect(role('c', 'line', ['invoices:read'])).rejects.toMatchObject({ status: 422 })
    await expect(role('d', 'organization', ['no:read'])).rejects.toMatchObject({ status: 404 })
    expect((await admin.roles.list({})).items.map(({ slug }) => slug).sort()).toEqual(['a', 'b', 'clerk'])
  })

  test('a bit of a resource type is given once', async () => {
    await using product = await start()
    const admin = product.client()
    await admin.resourceTypes.create({ slug: 'customer' })
    for (const slug of ['a:read', 'a:write', 'b:read']) await admin.permissions.create({ slug })
    await admin.permissions.create({ slug: 'c:read', type: 'customer' })
    const rows = await product.store.db
      .selectFrom('permission')
      .select(['slug', 'bit'])
      .orderBy('slug')
      .execute()
    expect(rows.map(({ slug, bit }) => `${slug} ${bit}`)).toEqual([
      'a:read 0',
      'a:write 1',
      'b:read 2',
      'c:read 0',
    ])
    await expect(admin.permissions.create({ slug: 'a:read' })).rejects.toMatchObject({ status: 409 })
  })

  test('a narrowed role bites at once', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    const check = () =>
      admin.decisions.check({
        agent: 'support-bot',
        server: 'billing',
        name: 'get_invoice',
        arguments: { id: '1' },
      })
    expect((await check()).decision).toBe('permit')
    await admin.roles.update({ id: 'clerk', permissions: [] })
    expect(await check()).toMatchObject({ decision: 'deny', reason: 'agent_lacks_permission' })
  })
})

group('assignments', () => {
  test('200: giving a role again answers with what stands and raises no revision', async () => {
    await using product = await start()
    const { assignment } = await northwind(product)
    const admin = product.client()
    expect(assignment).toMatchObject({
      principalName: 'support-bot',
      role: 'clerk',
      resource: 'organization/northwind',
      source: 'direct',
    })
    const { revision } = await admin.organizations.get({ id: 'northwind' })
    expect(await admin.assignments.create({ principal: 'support-bot', role: 'clerk' })).toEqual(assignment)
    expect((await admin.organizations.get({ id: 'northwind' })).revision).toBe(revision)
  })

  test('200: another end is another assignment, in one revision with the end of the old one', async () => {
    await using product = await start()
    const { assignment } = await northwind(product)
    const admin = product.client()
    const { revision } = await admin.organizations.get({ id: 'northwind' })
    const expiresAt = new Date(product.now() + 60_000).toISOString()
    const ending = await admin.assignments.create({ principal: 'support-bot', role: 'clerk', expiresAt })
    expect(ending.id).not.toBe(assignment.id)
    expect((await admin.assignments.list({ principal: 'support-bot' })).items).toEqual([ending])
    expect((await admin.organizations.get({ id: 'northwind' })).revision).toBe(revision + 1)
    product.passTime(60_000)
    expect(
      await admin.decisions.check({
        agent: 'support-bot',
        server: 'billing',
        name: 'get_invoice',
        arguments: { id: '1' },
      }),
    ).toMatchObject({ reason: 'agent_lacks_permission' })
  })

  test('404: an assignment that was taken away', async () => {
    await using product = await start()
    const { assignment } = await northwind(product)
    const admin = product.client()
    await admin.assignments.remove({ id: assignment.id })
    await expect(admin.assignments.remove({ id: assignment.id })).rejects.toMatchObject({ status: 404 })
  })
})
