import { afterAll, expect, test } from 'vitest'
import { createDirectory, GROUP, openDirectorySite } from './scim-directory.ts'

const { site, directory, mayRead } = await openDirectorySite()
afterAll(site.close)

test('groups come with their members, who have what the group was given until they leave it', async () => {
  const [ann, bo] = [
    await directory.addUser('ann@northwind.test'),
    await directory.addUser('bo@northwind.test'),
  ]
  const made = await directory.send('POST', '/Groups', {
    schemas: [GROUP, 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'],
    externalId: '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159',
    displayName: 'Help desk (EU)',
    meta: { resourceType: 'Group' },
  })
  expect(made).toMatchObject({ status: 201, body: { displayName: 'Help desk (EU)' } })
  const path = `/Groups/${made.body.id}`
  await site.api.assignments.create({ principal: 'group:Help desk (EU)', role: 'helper' })
  // Entra and Okta, each in its own way.
  await directory.patch(path, { op: 'Add', path: 'members', value: [{ $ref: null, value: ann }] })
  await directory.patch(path, {
    op: 'add',
    path: 'members',
    value: [{ value: bo, display: 'bo' }, { value: ann }],
  })
  expect(await Promise.all([ann, bo].map(mayRead))).toEqual([true, true])
  expect((await directory.get(path)).body.members).toMatchObject([{ value: ann }, { value: bo }])
  expect((await directory.get(`/Users/${ann}`)).body.groups).toMatchObject([
    { value: made.body.id, display: 'Help desk (EU)' },
  ])
  await directory.patch(path, { op: 'Remove', path: 'members', value: [{ $ref: null, value: ann }] })
  expect(await Promise.all([ann, bo].map(mayRead))).toEqual([false, true])
  await directory.patch(path, { op: 'remove', path: `members[value eq "${bo}"]` })
  expect(await mayRead(bo)).toBe(false)
  await directory.patch(path, { op: 'replace', path: 'members', value: [{ value: bo }] })
  await directory.patch(path, { op: 'replace', value: { id: made.body.id, displayName: 'Help desk' } })
  expect((await directory.get(path)).body).toMatchObject({
    displayName: 'Help desk',
    members: [{ value: bo }],
  })
  await directory.send('PUT', path, { schemas: [GROUP], displayName: 'Help desk', members: [{ value: ann }] })
  expect(await Promise.all([ann, bo].map(mayRead))).toEqual([true, false])
  expect((await directory.get(`${path}?excludedAttributes=members`)).body).not.toHaveProperty('members')
  const { items } = await site.api.groups.list({})
  expect(items).toContainEqual(
    expect.objectContaining({ id: made.body.id, name: 'help desk', managedBy: 'scim' }),
  )
  expect(await directory.send('DELETE', path)).toMatchObject({ status: 204 })
  expect(await mayRead(ann)).toBe(false)
})

test('a large group changes by as many operations as a directory likes, in the order that it sends them', async () => {
  const names = ['one', 'two', 'three', 'four'].map(name => `${name}@large.test`)
  const people = await Promise.all(names.map(name => directory.addUser(name)))
  const [one, two, three, four] = people
  const { body } = await directory.send('POST', '/Groups', { displayName: 'Large' })
  const path = `/Groups/${body.id}`
  const members = async (part = 'value') =>
    ((await directory.get(path)).body.members ?? []).map((member: Record<string, string>) => member[part])
  const add = (value: unknown) => ({ op: 'add', path: 'members', value })
  const without = (id: string | undefined) => ({ op: 'remove', path: `members[value eq "${id}"]` })
  const hundreds = Array.from({ length: 400 }, (_, at) => add([{ value: people[at % 3] }]))
  const began = performance.now()
  await directory.patch(path, ...hundreds, without(one), without(two), add({ value: four }), add([two]))
  expect(performance.now() - began).toBeLessThan(3_000)
  expect((await members()).sort()).toEqual([two, three, four].sort())
  // To remove none of them is not to remove all.
  await directory.patch(path, { op: 'remove', path: 'members', value: [] })
  expect(await members('display')).toHaveLength(3)
  expect(await directory.find('Groups', `members eq "${three}"`)).toMatchObject({ body: { totalResults: 1 } })
  expect(await directory.find('Groups', `members.value sw "usr_" and displayName eq "Large"`)).toMatchObject({
    body: { totalResults: 1 },
  })
  expect(await directory.find('Users', `groups.display eq "large"`)).toMatchObject({
    body: { totalResults: 3, Resources: expect.arrayContaining([expect.objectContaining({ id: four })]) },
  })
  const slow = Array.from({ length: 1_000 }, (_, at) =>
    at % 2
      ? { op: 'replace', path: 'members[value pr].display', value: 'x' }
      : add(Array(100).fill({ value: one })),
  )
  expect(await directory.patch(path, ...slow)).toMatchObject({ status: 413, body: { status: '413' } })
})

test('groups made by hand are not the directory’s: neither seen, nor taken over, nor doubled', async () => {
  const byHand = await site.api.groups.create({ name: 'finance' })
  expect(await directory.find('Groups', 'displayName eq "Finance"')).toMatchObject({
    body: { totalResults: 0 },
  })
  expect(await directory.get(`/Groups/${byHand.id}`)).toMatchObject({ status: 404 })
  expect(await directory.send('POST', '/Groups', { displayName: 'Finance' })).toMatchObject({
    status: 409,
    body: { scimType: 'uniqueness', status: '409' },
  })
  const { body } = await directory.send('POST', '/Groups', { displayName: 'Sales' })
  expect(
    await directory.patch(`/Groups/${body.id}`, { op: 'replace', value: { displayName: 'FINANCE' } }),
  ).toMatchObject({
    status: 409,
  })
  await expect(site.api.groups.create({ name: 'sales' })).rejects.toMatchObject({ code: 'conflict.exists' })
})

test('a mapping of the provider gives provisioned groups their roles, as long as they are called so', async () => {
  const oidc = { issuer: 'https://northwind.okta.test', clientId: 'valetkey' }
  const roles = [{ group: 'Agents of support', role: 'helper' }]
  const provider = await site.api.identityProviders.create({ name: 'okta', oidc, roles })
  const bound = await site.api.scimTokens.create({ name: 'bound', provider: 'okta' })
  const own = createDirectory(site, bound.token ?? '')
  const user = await own.addUser('uma@northwind.test')
  const group = { displayName: 'Agents of support', members: [{ value: user }] }
  // A directory that is nobody's says nothing of roles.
  const { body: other } = await directory.send('POST', '/Groups', group)
  expect(await mayRead(user)).toBe(false)
  await directory.send('DELETE', `/Groups/${other.id}`)
  const { body } = await own.send('POST', '/Groups', group)
  expect(await mayRead(user)).toBe(true)
  const { items } = await site.api.assignments.list({ principal: body.id })
  expect(items).toMatchObject([{ role: 'helper', source: 'idp' }])
  await own.patch(`/Groups/${body.id}`, { op: 'replace', value: { displayName: 'Others' } })
  expect(await mayRead(user)).toBe(false)
  await own.patch(`/Groups/${body.id}`, { op: 'replace', value: { displayName: 'Agents of support' } })
  expect(await mayRead(user)).toBe(true)
  await own.patch(`/Groups/${body.id}`, { op: 'remove', path: 'members' })
  expect(await mayRead(user)).toBe(false)
  await site.api.identityProviders.remove({ provider: provider.id })
  expect(await own.get('/Users')).toMatchObject({ status: 401 })
  expect((await site.api.assignments.list({ principal: body.id })).items).toEqual([])
})
