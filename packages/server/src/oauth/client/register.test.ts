import { expect, test } from 'vitest'
import { removeExpired } from '../oauth-state.ts'
import { startWorld, type World } from '../testing/world.ts'

const people = {
  dynamicRegistration: true,
  problemPage: async () => new Response(''),
}
const HOUR_MS = 60 * 60_000

async function register(world: World, metadata: object = {}) {
  const response = await fetch(`${world.origin}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: ['http://127.0.0.1/callback'], ...metadata }),
  })
  return {
    status: response.status,
    wait: response.headers.get('retry-after'),
    ...((await response.json()) as object),
  }
}

test('a network registers so many clients an hour, on whatever nodes', async () => {
  let [now, address] = [Date.now(), '2001:db8::1']
  const options = { people, now: () => now, addressOf: () => address }
  await using one = await startWorld(options)
  await using other = await startWorld({ ...options, store: one.store })
  const nodes = [one, other]
  for (let i = 0; i < 100; i++) expect((await register(nodes[i % 2] as World)).status).toBe(201)
  address = '2001:db8::ffff:1'
  for (const node of nodes) expect(await register(node)).toMatchObject({ status: 429, wait: '3600' })
  address = '2001:db8:0:1::1'
  expect((await register(one)).status).toBe(201)
  address = '2001:db8::1'
  now += HOUR_MS
  expect((await register(one)).status).toBe(201)
})

test('one that nobody uses is forgotten after a day', async () => {
  let now = Date.now()
  await using world = await startWorld({ people, now: () => now })
  await register(world)
  const count = async () =>
    (await world.store.db.selectFrom('clientRegistration').select('clientId').execute()).length
  now += 23 * HOUR_MS
  await removeExpired(world.store, now)
  expect(await count()).toBe(1)
  now += HOUR_MS
  await removeExpired(world.store, now)
  expect(await count()).toBe(0)
})

test.each([
  [['https://app.test/cb'], 'web'],
  [['http://127.0.0.1/cb'], 'native'],
  [['cursor://auth'], 'native'],
  [['https://app.test/cb', 'http://localhost/cb'], 'native'],
])(
  '%j is an application of type %s, whatever it says or leaves out',
  async (redirect_uris, application_type) => {
    await using world = await startWorld({ people })
    for (const more of [{}, { application_type: 'web' }, { application_type: 'native' }])
      expect(await register(world, { redirect_uris, ...more })).toMatchObject({
        status: 201,
        application_type,
      })
  },
)

test('who registered what, and from where, is on record', async () => {
  await using world = await startWorld({ people })
  await register(world, { client_name: 'Copilot' })
  expect(await world.events('client.registered')).toMatchObject([
    {
      actor: 'anonymous',
      detail: { name: 'Copilot', redirectUris: ['http://127.0.0.1/callback'], address: '127.0.0.1' },
    },
  ])
})

test('what it asks for beyond an id it does not get', async () => {
  await using world = await startWorld({ people })
  const metadata = {
    ...{ scope: 'invoices:refund', token_endpoint_auth_method: 'client_secret_basic', client_id: 'mine' },
    ...{ client_secret: 'x', grant_types: ['client_credentials'], software_statement: 'x' },
  }
  const answer = await register(world, metadata)
  expect(answer).toMatchObject({ status: 201, token_endpoint_auth_method: 'none' })
  expect(answer).toMatchObject({ grant_types: ['authorization_code', 'refresh_token'] })
  for (const absent of ['client_secret', 'scope', 'registration_access_token', 'software_statement'])
    expect(answer).not.toHaveProperty(absent)
  expect(answer).not.toMatchObject({ client_id: 'mine' })
})
