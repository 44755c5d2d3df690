import { expect, describe as group, test } from 'vitest'
import { northwind, start } from './product.ts'

group('organizations', () => {
  test('200: one is created with its root, shown by slug and id, and counts its revisions', async () => {
    await using product = await start()
    const admin = product.client()
    const made = await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
    expect(made).toMatchObject({ slug: 'northwind', status: 'active', revision: 1 })
    expect(await admin.organizations.get({ id: made.id })).toEqual(made)
    expect((await admin.organizations.freeze({ id: 'northwind' })).revision).toBe(2)
    expect((await admin.organizations.freeze({ id: 'northwind' })).revision).toBe(2)
    expect(await admin.organizations.thaw({ id: 'northwind', reason: 'looked into' })).toMatchObject({
      status: 'active',
      revision: 3,
    })
  })

  test('409: the slug is taken; the name of the catalogue always is', async () => {
    await using product = await start()
    const admin = product.client()
    await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
    for (const slug of ['northwind', 'catalogue'])
      await expect(admin.organizations.create({ slug, name: 'N' })).rejects.toMatchObject({
        status: 409,
        code: 'conflict.exists',
        message: `There is an organization "${slug}" already.`,
      })
    expect((await admin.organizations.list({})).items).toHaveLength(1)
  })

  test('404: the catalogue is no organization', async () => {
    await using product = await start()
    await expect(product.client().organizations.freeze({ id: 'catalogue' })).rejects.toMatchObject({
      status: 404,
    })
  })

  test('400: with two organizations one must be named, and the answer names them', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
    await expect(admin.agents.get({ id: 'support-bot' })).rejects.toMatchObject({
      status: 400,
      path: 'organization',
      message: 'Name the organization: contoso, northwind.',
    })
    expect((await admin.agents.get({ id: 'support-bot', organization: 'northwind' })).name).toBe(
      'support-bot',
    )
    await expect(admin.agents.get({ id: 'support-bot', organization: 'contoso' })).rejects.toMatchObject({
      status: 404,
      message: 'No agent "support-bot" in contoso.',
    })
  })
})

group('what one organization has, another cannot reach', () => {
  test('404: by id with the other organization, for every kind of thing', async () => {
    await using product = await start()
    const { agent, maya, assignment, credential } = await northwind(product)
    const admin = product.client()
    await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
    const organization = 'contoso'
    const notFound = { status: 404 }
    await expect(admin.agents.get({ id: agent.id, organization })).rejects.toMatchObject(notFound)
    await expect(admin.agents.suspend({ id: agent.id, organization })).rejects.toMatchObject(notFound)
    await expect(admin.people.get({ id: maya.id, organization })).rejects.toMatchObject(notFound)
    await expect(admin.credentials.list({ agent: agent.id, organization })).rejects.toMatchObject(notFound)
    await expect(admin.assignments.remove({ id: assignment.id, organization })).rejects.toMatchObject(
      notFound,
    )
    for (const [kind, id] of [
      ['agent', agent.id],
      ['credential', credential.id],
    ] as const)
      await expect(admin.revocations.create({ kind, id, organization })).rejects.toMatchObject(notFound)
    await expect(
      admin.assignments.create({ principal: agent.id, role: 'clerk', organization }),
    ).rejects.toMatchObject(notFound)
    await expect(
      admin.agents.create({ name: 'x', owner: maya.id, ceiling: [], organization }),
    ).rejects.toMatchObject({ status: 400, path: 'owner' })
  })
})
