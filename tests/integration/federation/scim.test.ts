import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPeopleSite, type PeopleSite } from '../people-site.ts'
import { createDirectory, type Directory, ENTERPRISE, GROUP, PATCH, USER } from './scim-directory.ts'

const NOTHING_HELD = { principal: '', permission: 'tickets:read', resource: 'organization/northwind' }

let site: PeopleSite
let directory: Directory

beforeAll(async () => {
  site = await openPeopleSite()
  const { token } = await site.api.scimTokens.create({ name: 'okta' })
  directory = createDirectory(site, token ?? '')
  await site.api.permissions.create({ slug: 'tickets:read', risk: 'read' })
  await site.api.roles.create({ slug: 'helper', permissions: ['tickets:read'] })
}, 60_000)

afterAll(async () => site?.close())

const mayRead = async (principal: string) =>
  (await site.api.access.check({ ...NOTHING_HELD, principal })).allowed

test('Okta: looks for a user, makes it, replaces it, takes it out and lets it in again', async () => {
  const found = await directory.get(
    '/Users?filter=userName%20eq%20%22nora%40northwind.test%22&startIndex=1&count=100',
  )
  expect(found).toMatchObject({ status: 200, body: { totalResults: 0, Resources: [] } })
  const made = await directory.send('POST', '/Users', {
    schemas: [USER],
    userName: 'Nora@northwind.test',
    name: { givenName: 'Nora', familyName: 'Holm' },
    emails: [{ primary: true, value: 'nora@northwind.test', type: 'work' }],
    displayName: 'Nora Holm',
    locale: 'en-US',
    externalId: '00ujl29u0le5T6Aj10h7',
    groups: [],
    password: '1mz050nq',
    active: true,
  })
  expect(made).toMatchObject({ status: 201, type: 'application/scim+json' })
  const { id } = made.body
  expect(made.body).toMatchObject({
    ...{ userName: 'nora@northwind.test', externalId: '00ujl29u0le5T6Aj10h7', active: true },
    meta: { resourceType: 'User', location: `${site.url}/scim/v2/northwind/Users/${id}` },
  })
  expect(JSON.stringify(made.body)).not.toContain('1mz050nq')
  expect(await site.api.people.get({ id })).toMatchObject({
    name: 'Nora Holm',
    managedBy: 'scim',
    status: 'active',
  })
  const replaced = await directory.send('PUT', `/Users/${id}`, {
    ...made.body,
    displayName: 'Nora Holm-Berg',
    title: 'Clerk',
  })
  expect(replaced).toMatchObject({ status: 200, body: { id, title: 'Clerk' } })
  expect(await site.api.people.get({ id })).toMatchObject({ name: 'Nora Holm-Berg' })
  const out = await directory.patch(`/Users/${id}`, { op: 'replace', value: { active: false } })
  expect(out).toMatchObject({ status: 200, body: { active: false, title: 'Clerk' } })
  expect(await site.api.people.get({ id })).toMatchObject({ status: 'suspended' })
  await directory.patch(`/Users/${id}`, { op: 'replace', value: { active: true } })
  expect(await site.api.people.get({ id })).toMatchObject({ status: 'active' })
})

test('Entra: makes a user, changes it by paths of its own, takes it out with a text', async () => {
  const made = await directory.send('POST', '/Users', {
    schemas: [USER, ENTERPRISE],
    externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
    userName: 'tor@northwind.test',
    active: true,
    emails: [{ primary: true, type: 'work', value: 'tor@northwind.test' }],
    meta: { resourceType: 'User' },
    name: { formatted: 'Tor Vik', familyName: 'Vik', givenName: 'Tor' },
    roles: [],
  })
  const { id } = made.body
  const operations = [
    { op: 'Replace', path: 'emails[type eq "work"].value', value: 'tor.vik@northwind.test' },
    { op: 'Add', path: 'emails[type eq "home"].value', value: 'tor@home.test' },
    { op: 'Replace', path: 'name.familyName', value: 'Vikre' },
    { op: 'Add', path: `${ENTERPRISE}:department`, value: 'IT' },
    { op: 'Add', path: `${ENTERPRISE}:manager`, value: 'usr_boss' },
    { op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: '+47 1' },
    {
      op: 'Replace',
      value: { displayName: 'Tor V.', 'name.givenName': 'Thor', [`${ENTERPRISE}:costCenter`]: '7' },
    },
  ]
  const patched = await directory.patch(`/Users/${id}`, ...operations)
  expect(patched).toMatchObject({
    status: 200,
    body: {
      schemas: [USER, ENTERPRISE],
      displayName: 'Tor V.',
      name: { formatted: 'Tor Vik', familyName: 'Vikre', givenName: 'Thor' },
      emails: [
        { primary: true, type: 'work', value: 'tor.vik@northwind.test' },
        { type: 'home', value: 'tor@home.test' },
      ],
      [ENTERPRISE]: { department: 'IT', costCenter: '7', manager: { value: 'usr_boss' } },
    },
  })
  expect(patched.body).not.toHaveProperty('phoneNumbers')
  const out = await directory.patch(`/Users/${id}`, { op: 'Replace', path: 'active', value: 'False' })
  expect(out.body.active).toBe(false)
  const renamed = await directory.patch(`/Users/${id}`, {
    op: 'Replace',
    path: 'userName',
    value: 'tor.vikre@northwind.test',
  })
  expect(renamed.body).toMatchObject({ id, userName: 'tor.vikre@northwind.test', active: false })
  await directory.patch(
    `/Users/${id}`,
    { op: 'Remove', path: 'emails[type eq "home"]' },
    { op: 'Remove', path: ENTERPRISE },
  )
  const left = await directory.get(`/Users/${id}`)
  expect(left.body).toMatchObject({ schemas: [USER], emails: [{ type: 'work' }] })
})

test('who is taken out loses at once what they let agents do, the agents they own, and their sessions', async () => {
  const ida = await site.invited('ida@northwind.test', 'Ida')
  const { browser, page } = await site.signIn({ email: 'ida@northwind.test' })
  expect(page.url).toBe(`${site.url}/account`)
  const agent = { name: 'ida-bot', owner: ida.id, ceiling: ['tickets:read'], kind: 'both' as const }
  await site.api.agents.create(agent)
  for (const principal of [ida.id, 'agent:ida-bot'])
    await site.api.assignments.create({ principal, role: 'helper' })
  await site.api.grants.create({ agent: 'ida-bot', person: ida.id, scopes: ['tickets:read'] })
  expect(await Promise.all([ida.id, 'agent:ida-bot'].map(mayRead))).toEqual([true, true])
  // She was there before the directory, which finds her by what she signs in with.
  const { body } = await directory.find('Users', 'userName eq "IDA@northwind.test"')
  expect(body).toMatchObject({
    totalResults: 1,
    Resources: [{ id: ida.id, displayName: 'Ida', active: true }],
  })
  await directory.patch(`/Users/${ida.id}`, { op: 'replace', path: 'active', value: false })
  expect(await Promise.all([ida.id, 'agent:ida-bot'].map(mayRead))).toEqual([false, false])
  expect((await browser.open('/account')).url).toBe(`${site.url}/sign-in`)
  await directory.patch(`/Users/${ida.id}`, { op: 'replace', path: 'active', value: true })
  expect(await Promise.all([ida.id, 'agent:ida-bot'].map(mayRead))).toEqual([true, true])
  // A session that ended stays so.
  expect((await browser.open('/account')).url).toBe(`${site.url}/sign-in`)
})

test('what an administrator has taken out, a directory does not let in again by the way', async () => {
  const id = await directory.addUser('per@northwind.test', { displayName: 'Per' })
  await site.api.people.update({ id, status: 'suspended' })
  const { body } = await directory.get(`/Users/${id}`)
  expect(body.active).toBe(false)
  for (const send of [
    () => directory.send('PUT', `/Users/${id}`, { ...body, active: true, title: 'Chef' }),
    () => directory.patch(`/Users/${id}`, { op: 'replace', value: { title: 'Cook' } }),
    // What it is told of the person, it may say again: that does not make it its own.
    () => directory.send('PUT', `/Users/${id}`, body),
    () => directory.patch(`/Users/${id}`, { op: 'replace', value: { active: true } }),
  ])
    expect(await send()).toMatchObject({ status: 200, body: { active: false } })
  expect(await site.api.people.get({ id })).toMatchObject({ status: 'suspended' })
  await site.api.people.update({ id, status: 'active' })
  expect((await directory.get(`/Users/${id}`)).body.active).toBe(true)
})

test('who is deleted is gone for good, and who comes back under the name inherits nothing', async () => {
  const id = await directory.addUser('eva@northwind.test', { displayName: 'Eva' })
  const agent = {
    name: 'eva-bot',
    owner: 'ida@northwind.test',
    ceiling: ['tickets:read'],
    kind: 'both' as const,
  }
  await site.api.agents.create(agent)
  const person = { principal: id, role: 'helper' }
  await site.api.assignments.create(person)
  const grant = await site.api.grants.create({ agent: 'eva-bot', person: id, scopes: ['tickets:read'] })
  const { body: group } = await directory.send('POST', '/Groups', {
    displayName: 'Gone',
    members: [{ value: id }],
  })
  expect(await directory.send('DELETE', `/Users/${id}`)).toMatchObject({ status: 204, body: null })
  for (const [method, path] of [
    ['GET', `/Users/${id}`],
    ['DELETE', `/Users/${id}`],
    ['PATCH', `/Users/${id}`],
  ] as const)
    expect(
      await directory.send(
        method,
        path,
        method === 'PATCH'
          ? { schemas: [PATCH], Operations: [{ op: 'replace', value: { active: true } }] }
          : undefined,
      ),
    ).toMatchObject({
      status: 404,
      body: { status: '404', schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'] },
    })
  expect(await site.api.people.get({ id })).toMatchObject({ status: 'retired', name: 'Eva', email: '' })
  const { items } = await site.api.grants.list({ agent: 'eva-bot' })
  expect(items).toMatchObject([{ id: grant.id, status: 'revoked' }])
  expect((await directory.get(`/Groups/${group.id}`)).body).not.toHaveProperty('members')
  const again = await directory.addUser('eva@northwind.test', { displayName: 'Eva' })
  expect(again).not.toBe(id)
  expect(await mayRead(again)).toBe(false)
  expect(await mayRead(id)).toBe(false)
  await expect(site.api.people.update({ id, status: 'active' })).rejects.toMatchObject({
    code: 'conflict.state',
  })
})

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

test.each([
  ['userName eq "kai@filter.test"', 1],
  ['userName EQ "KAI@filter.test"', 1],
  [`${USER}:userName eq "kai@filter.test"`, 1],
  ['externalId eq "X1"', 1],
  ['externalId eq "x1"', 0],
  ['userName sw "ka" and userName ew "@filter.test"', 1],
  ['userName co "@FILTER."', 3],
  ['userName co "@filter.test" and not (userName sw "kai")', 2],
  ['userName co "@filter.test" and (active eq true or title eq "chef")', 2],
  ['userName co "@filter.test" and active eq "False"', 1],
  ['emails eq "kai@mail.test"', 1],
  ['emails.value sw "kai@"', 1],
  ['emails[type eq "work" and value co "@mail.test"]', 1],
  ['emails[type eq "home" and value co "@mail.test"]', 0],
  ['emails.type eq "work" and userName co "@filter.test"', 1],
  ['title pr and userName co "@filter.test"', 1],
  ['title ne "Chef" and userName co "@filter.test"', 2],
  ['name.familyName co "berg" and userName co "@filter.test"', 2],
  [`${ENTERPRISE}:department eq "it"`, 1],
  ['meta.lastModified gt "2020-01-01T00:00:00Z" and userName co "@filter.test"', 3],
])('the filter %s finds %i', async (filter, count) => {
  if ((await directory.find('Users', 'userName co "@filter.test"')).body.totalResults === 0) {
    const kai = { externalId: 'X1', emails: [{ value: 'kai@mail.test', type: 'work' }] }
    await directory.addUser('kai@filter.test', { ...kai, name: { familyName: 'Berg', givenName: 'Kai' } })
    const liv = { title: 'Chef', [ENTERPRISE]: { department: 'IT' } }
    await directory.addUser('liv@filter.test', { ...liv, name: { familyName: 'Solberg', givenName: 'Liv' } })
    await directory.addUser('ola@filter.test', { active: false })
  }
  const { status, body } = await directory.find('Users', filter)
  expect([status, body.totalResults, body.Resources?.length]).toEqual([200, count, count])
})

test.each([
  'userName eq',
  'userName eq maya',
  'nobody eq "x"',
  'userName xx "x"',
  '(userName eq "x"',
  'emails[nobody eq "x"]',
  'userName.value eq "x"',
  `${'('.repeat(25)}userName eq "x"`,
])('the filter %s is refused as one', async filter => {
  expect(await directory.find('Users', filter)).toMatchObject({
    status: 400,
    body: { status: '400', scimType: 'invalidFilter' },
  })
})

test('a filter that is very long, or very deep, is refused', async () => {
  for (const filter of [`userName eq "${'x'.repeat(2_000)}"`, `${'('.repeat(500)}userName eq "x"`])
    expect(await directory.find('Users', filter)).toMatchObject({ status: 400 })
})

test('lists come in pages that neither repeat nor leave out', async () => {
  const all = (await directory.get('/Users?count=200')).body
  const seen: string[] = []
  for (let startIndex = 1; startIndex <= all.totalResults; startIndex += 3) {
    const { body } = await directory.get(`/Users?startIndex=${startIndex}&count=3`)
    expect(body).toMatchObject({
      totalResults: all.totalResults,
      startIndex,
      itemsPerPage: body.Resources.length,
    })
    seen.push(...body.Resources.map(({ id }: { id: string }) => id))
  }
  expect(seen).toEqual(all.Resources.map(({ id }: { id: string }) => id))
  expect((await directory.get('/Users?count=0')).body).toMatchObject({
    totalResults: all.totalResults,
    Resources: [],
  })
  const few = (await directory.get('/Users?attributes=userName,emails.value,name&count=1')).body.Resources[0]
  expect(Object.keys(few).sort()).toEqual(expect.arrayContaining(['id', 'meta', 'schemas', 'userName']))
  expect(few).not.toHaveProperty('active')
})

test('what the service can is said, and is what it does', async () => {
  const config = await directory.get('/ServiceProviderConfig')
  expect(config.body).toMatchObject({
    patch: { supported: true },
    filter: { supported: true, maxResults: 200 },
  })
  expect((await directory.get('/ResourceTypes')).body).toMatchObject({ totalResults: 2 })
  expect((await directory.get('/ResourceTypes/User')).body).toMatchObject({
    endpoint: '/Users',
    schema: USER,
  })
  const { body } = await directory.get('/Schemas')
  expect(body.Resources.map(({ id }: { id: string }) => id)).toEqual([USER, ENTERPRISE, GROUP])
  const user = (await directory.get(`/Schemas/${USER}`)).body
  expect(user.attributes).toContainEqual(
    expect.objectContaining({ name: 'userName', required: true, uniqueness: 'server', caseExact: false }),
  )
  expect(await directory.get('/Schemas/nothing')).toMatchObject({ status: 404 })
  expect(await directory.get('/Me')).toMatchObject({ status: 404 })
})

test('409: a userName is one person’s, in whatever spelling', async () => {
  await directory.addUser('twice@northwind.test')
  expect(
    await directory.send('POST', '/Users', { schemas: [USER], userName: 'TWICE@northwind.test' }),
  ).toMatchObject({
    status: 409,
    body: { scimType: 'uniqueness' },
  })
  const other = await directory.addUser('other@northwind.test')
  const taken = { op: 'replace', value: { userName: 'twice@northwind.test', active: false } }
  expect(await directory.patch(`/Users/${other}`, taken)).toMatchObject({ status: 409 })
  // Nothing of it happened.
  expect((await directory.get(`/Users/${other}`)).body).toMatchObject({ active: true })
})

test.each<[string, string, string, unknown, number, string?]>([
  ['no userName', 'POST', '/Users', { schemas: [USER] }, 400, 'invalidValue'],
  ['a userName that is none', 'POST', '/Users', { userName: 7 }, 400, 'invalidValue'],
  [
    'a name that turns around',
    'POST',
    '/Users',
    { userName: 'a@b.test', displayName: 'x\u202ey' },
    400,
    'invalidValue',
  ],
  [
    'a userName like an id',
    'POST',
    '/Users',
    { userName: 'usr_01m8grqmjqmd2jfzy6ezztq95k' },
    400,
    'invalidValue',
  ],
  ['active that is neither', 'POST', '/Users', { userName: 'a@b.test', active: 'yes' }, 400, 'invalidValue'],
  [
    'two primary addresses',
    'POST',
    '/Users',
    {
      userName: 'a@b.test',
      emails: [
        { value: 'a', primary: true },
        { value: 'b', primary: true },
      ],
    },
    400,
    'invalidValue',
  ],
  ['a list', 'POST', '/Users', [], 400, 'invalidSyntax'],
  ['no JSON', 'POST', '/Users', '{', 400, 'invalidValue'],
  [
    'a key that is more than a key',
    'POST',
    '/Users',
    '{"userName":"a@b.test","__proto__":{"active":false}}',
    400,
    'invalidValue',
  ],
  [
    'a member who is nobody',
    'POST',
    '/Groups',
    { displayName: 'G', members: [{ value: 'usr_01m8grqmjqmd2jfzy6ezztq95k' }] },
    400,
    'invalidValue',
  ],
  ['a group without a name', 'POST', '/Groups', {}, 400, 'invalidValue'],
  ['too much', 'POST', '/Users', { userName: 'a@b.test', title: 'x'.repeat(1_100_000) }, 413],
  [
    'too much of one',
    'POST',
    '/Users',
    { userName: 'a@b.test', title: 'x'.repeat(2_000) },
    400,
    'invalidValue',
  ],
])('refused, and nothing has changed: %s', async (_, method, path, body, status, scimType) => {
  const before = await site.api.people.list({ limit: 200 })
  const answer = await directory.send(method, path, body)
  expect([answer.status, answer.body.scimType]).toEqual([status, scimType])
  expect(answer.body).toMatchObject({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: String(status),
  })
  expect(await site.api.people.list({ limit: 200 })).toEqual(before)
  expect(({} as Record<string, unknown>)['active']).toBeUndefined()
})

test.each<[string, object[], string]>([
  ['no operation', [], 'invalidSyntax'],
  ['an unknown one', [{ op: 'move', path: 'title' }], 'invalidSyntax'],
  ['a removal of nothing', [{ op: 'remove' }], 'noTarget'],
  [
    'a value that is not there',
    [{ op: 'replace', path: 'emails[type eq "fax" or type eq "tel"].value', value: 'x' }],
    'noTarget',
  ],
  ['what cannot be written', [{ op: 'replace', path: 'id', value: 'usr_x' }], 'mutability'],
  ['a path that is none', [{ op: 'replace', path: 'emails[', value: 'x' }], 'invalidPath'],
  [
    'a condition that is none',
    [{ op: 'replace', path: 'emails[type is "x"].value', value: 'x' }],
    'invalidFilter',
  ],
  ['a text without a path', [{ op: 'replace', value: 'x' }], 'invalidValue'],
  [
    'one good and one bad',
    [
      { op: 'replace', path: 'active', value: false },
      { op: 'replace', path: 'active', value: 'x' },
    ],
    'invalidValue',
  ],
])('a PATCH is applied whole or not at all: %s', async (_, operations, scimType) => {
  const { body } = await directory.find('Users', 'userName eq "patched@northwind.test"')
  const id = body.Resources[0]?.id ?? (await directory.addUser('patched@northwind.test'))
  const before = await directory.get(`/Users/${id}`)
  expect(await directory.patch(`/Users/${id}`, ...operations)).toMatchObject({
    status: 400,
    body: { scimType },
  })
  expect(await directory.get(`/Users/${id}`)).toEqual(before)
})

test('paths that lead to nothing that is kept are passed over, wherever they point', async () => {
  const id = await directory.addUser('odd@northwind.test')
  const custom = 'urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag'
  for (const path of ['constructor.prototype', custom, 'addresses[type eq "work"].country', 'roles'])
    expect(await directory.patch(`/Users/${id}`, { op: 'add', path, value: 'x' })).toMatchObject({
      status: 200,
    })
  for (const path of ['__proto__.polluted', 'constructor.prototype.polluted'])
    expect(await directory.patch(`/Users/${id}`, { op: 'add', path, value: 'x' })).toMatchObject({
      body: { scimType: 'invalidPath' },
    })
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

test('a token is good for its own organization, until it ends or is taken back', async () => {
  await site.api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  const { token } = await site.api.scimTokens.create({ organization: 'contoso', name: 'theirs' })
  const theirs = createDirectory(site, token ?? '', 'contoso')
  const kim = await theirs.addUser('kim@contoso.test')
  expect(await createDirectory(site, token ?? '').get('/Users')).toMatchObject({
    status: 401,
    body: { status: '401', schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'] },
  })
  for (const [method, path] of [
    ['GET', `/Users/${kim}`],
    ['DELETE', `/Users/${kim}`],
    ['PUT', `/Users/${kim}`],
  ] as const)
    expect(
      await directory.send(method, path, method === 'PUT' ? { userName: 'x@y.test' } : undefined),
    ).toMatchObject({ status: 404 })
  expect(
    await directory.send('POST', '/Groups', { displayName: 'Spies', members: [{ value: kim }] }),
  ).toMatchObject({ status: 400 })
  expect(await directory.find('Users', `id eq "${kim}"`)).toMatchObject({ body: { totalResults: 0 } })
  expect(await directory.find('Users', 'userName eq "kim@contoso.test"')).toMatchObject({
    body: { totalResults: 0 },
  })
  const [shown] = (await site.api.scimTokens.list({ organization: 'contoso' })).items
  expect(shown).toMatchObject({ name: 'theirs', status: 'live', lastUsedAt: expect.any(String) })
  expect(JSON.stringify(shown)).not.toContain(token)
  await site.api.scimTokens.revoke({ organization: 'contoso', scimToken: shown?.id ?? '' })
  expect(await theirs.get('/Users')).toMatchObject({ status: 401 })
  const expiresAt = new Date(Date.now() + 60_000).toISOString()
  const brief = await site.api.scimTokens.create({ organization: 'contoso', name: 'brief', expiresAt })
  const briefly = createDirectory(site, brief.token ?? '', 'contoso')
  expect(await briefly.get('/Users')).toMatchObject({ status: 200 })
  site.passTime(2)
  expect(await briefly.get('/Users')).toMatchObject({ status: 401 })
  for (const authorization of ['', 'Bearer', 'Bearer x', `Basic ${token}`])
    expect(await directory.send('GET', '/Users', undefined, { authorization })).toMatchObject({ status: 401 })
})

test('what a directory does is on record, as what its token did', async () => {
  const { items } = await site.api.scimTokens.list({ organization: 'northwind' })
  const tokens = items.map(({ id }) => id)
  await expect
    .poll(
      async () => (await site.events('person.updated')).filter(event => tokens.includes(event.actor)).length,
      {
        timeout: 10_000,
      },
    )
    .toBeGreaterThan(5)
})
