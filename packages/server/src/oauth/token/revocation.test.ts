import { decodeJwt } from 'jose'
import { expect, test, vi } from 'vitest'
import { ASSERTION_TYPE, answerOf, RESOURCE, startWorld, type World } from '../testing/world.ts'

const client = (world: World) => ({ client_id: world.agent, client_secret: world.secret })

async function issue(world: World): Promise<string> {
  const form = { grant_type: 'client_credentials', resource: RESOURCE, ...client(world) }
  return (await answerOf(await world.token(form))).access_token
}
function revoked(world: World) {
  return world.store.db.selectFrom('revokedToken').selectAll().execute()
}
async function changes(world: World) {
  return world.store.db
    .selectFrom('changeLog')
    .select(['fact', 'factId', 'value', 'actor'])
    .where('organizationId', '=', world.organization)
    .where('fact', '=', 'revoked_token')
    .execute()
}

test('an agent takes back its own token, and enforcement points will learn of it', async () => {
  await using world = await startWorld()
  const token = await issue(world)
  const { jti, exp = 0 } = decodeJwt(token)
  const response = await world.revoke({ token, ...client(world) })
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('')
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await revoked(world)).toEqual([
    {
      id: jti,
      organizationId: world.organization,
      agentId: world.agent,
      expiresAt: new Date(exp * 1000).toISOString(),
      frozen: 0,
    },
  ])
  expect(await changes(world)).toEqual([
    {
      fact: 'revoked_token',
      factId: jti,
      value: JSON.stringify({ id: jti, expiresAt: exp * 1000 }),
      actor: world.agent,
    },
  ])
  expect(await world.events('token.revoked')).toMatchObject([{ target: jti, actor: world.agent }])
})

test('a key proves who revokes as well as a secret does', async () => {
  await using world = await startWorld()
  const token = await issue(world)
  const assertion = { client_assertion: await world.assertion(), client_assertion_type: ASSERTION_TYPE }
  expect((await world.revoke({ token, token_type_hint: 'access_token', ...assertion })).status).toBe(200)
  expect(await revoked(world)).toHaveLength(1)
})

test('revoking twice is one change', async () => {
  await using world = await startWorld()
  const token = await issue(world)
  const responses = await Promise.all([1, 2, 3].map(() => world.revoke({ token, ...client(world) })))
  expect(responses.map(response => response.status)).toEqual([200, 200, 200])
  expect(await changes(world)).toHaveLength(1)
})

test('a token of another agent is refused, and stays live', async () => {
  await using world = await startWorld()
  const token = await issue(world)
  const other = await startWorld({ store: world.store, issuer: world.issuer })
  const response = await other.revoke({ token, ...client(other) })
  expect(await response.json()).toEqual({
    error: 'invalid_request',
    error_description: 'the token was not issued to this client',
  })
  expect(response.status).toBe(400)
  expect(await revoked(world)).toEqual([])
  await vi.waitFor(async () =>
    expect(await world.events('token.refused')).toMatchObject([
      { actor: other.agent, detail: { reason: 'token_foreign' } },
    ]),
  )
  await other[Symbol.asyncDispose]()
})

test('nobody revokes without proof', async () => {
  await using world = await startWorld()
  const token = await issue(world)
  const response = await world.revoke({ token, client_id: world.agent, client_secret: 'vks_wrong' })
  expect(response.status).toBe(401)
  expect(await revoked(world)).toEqual([])
})

test.each<[string, (token: string) => string]>([
  ['an opaque string', () => 'opaque'],
  ['a forged token', token => `${token.slice(0, -8)}AAAAAAAA`],
  ['an unsigned token', token => `${token.split('.').slice(0, 2).join('.')}.`],
])('%s is 200 and changes nothing', async (_, forge) => {
  await using world = await startWorld()
  const response = await world.revoke({ token: forge(await issue(world)), ...client(world) })
  expect(response.status).toBe(200)
  expect(await revoked(world)).toEqual([])
})

test('no token is invalid_request', async () => {
  await using world = await startWorld()
  expect((await world.revoke(client(world))).status).toBe(400)
})
