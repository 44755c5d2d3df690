import { afterAll, expect, test } from 'vitest'
import { createDirectory, openDirectorySite, USER } from './scim-directory.ts'

const { site, directory } = await openDirectorySite()
afterAll(site.close)

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
