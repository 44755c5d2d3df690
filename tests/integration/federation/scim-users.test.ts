import { afterAll, expect, test } from 'vitest'
import { createBrowser } from '../browser.ts'
import { ENTERPRISE, openDirectorySite, PATCH, USER } from './scim-directory.ts'

const { site, directory, mayRead } = await openDirectorySite()
afterAll(site.close)

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
  await site.api.people.update({ id, status: 'active', reason: 'looked into' })
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
  await expect(site.api.people.update({ id, status: 'active', reason: 'looked into' })).rejects.toMatchObject(
    {
      code: 'conflict.state',
    },
  )
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

test('what was mailed to an address that is somebody else’s lets nobody in', async () => {
  const id = await directory.addUser('wrong@northwind.test')
  const status = async (url: string) => (await createBrowser(site.url).open(url)).status
  const { url } = await site.api.invitations.create({ id })
  const browser = createBrowser(site.url)
  await browser.submit(await browser.open('/sign-in'), { email: 'wrong@northwind.test', way: 'link' })
  const link = /^http\S+$/m.exec(site.mails.at(-1)?.text ?? '')?.[0] ?? ''
  await directory.patch(`/Users/${id}`, { op: 'replace', path: 'displayName', value: 'Wera' })
  expect([await status(url), await status(link)]).toEqual([200, 200])
  await directory.patch(`/Users/${id}`, { op: 'replace', path: 'userName', value: 'wera@northwind.test' })
  expect([await status(url), await status(link)]).toEqual([404, 404])
  // Nor does what was made before a suspension, once that is over.
  const { url: second } = await site.api.invitations.create({ id })
  for (const active of [false, true])
    await directory.patch(`/Users/${id}`, { op: 'replace', path: 'active', value: active })
  expect(await status(second)).toBe(404)
})
