import { afterAll, expect, test } from 'vitest'
import { ENTERPRISE, GROUP, openDirectorySite, USER } from './scim-directory.ts'

const { site, directory } = await openDirectorySite()
afterAll(site.close)

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
