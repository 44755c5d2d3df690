import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import {
  type Context,
  createGrant,
  createPerson,
  revokeGrant,
  updateAgent,
  updatePerson,
} from '../../directory/index.ts'
import { bySecret, refusal } from '../testing/requests.ts'
import { answerOf, seed, startWorld, type World } from '../testing/world.ts'

const HOUR_MS = 3_600_000

function contextOf({ store }: Pick<World, 'store'>, now = Date.now): Context {
  return { store, now, actor: { id: 'tok_test', name: 'test', permissions: ['*'] } }
}

/** Ada lets the agent of the world read invoices for her. */
async function letAct(
  world: World,
  { scopes = ['invoices:read'], expiresAt = null as string | null, kind = 'both' as const } = {},
) {
  const ctx = contextOf(world)
  await updateAgent(ctx, { id: world.agent, kind })
  const { organization, agent, owner: person } = world
  return createGrant(ctx, { organization, agent, person, scopes, resources: [], expiresAt })
}

test('a token of a grant says for whom the agent acts, and carries no more than the grant', async () => {
  await using world = await startWorld()
  const { id } = await letAct(world, { scopes: ['invoices:*', 'tickets:read'] })
  const response = await world.token(bySecret(world, { grant_id: id }))
  expect(response.status).toBe(200)
  const { access_token, scope } = await answerOf(response)
  expect(scope).toBe('invoices:read invoices:refund')
  expect(decodeJwt(access_token)).toMatchObject({ sub: world.owner, agent: world.agent, gid: id, scope })
  const [issued] = await world.events('token.issued')
  expect(issued).toMatchObject({ actor: world.agent, detail: { grant: id, person: world.owner } })
})

test('a token without a grant is still the agent alone', async () => {
  await using world = await startWorld()
  await letAct(world)
  const { access_token } = await answerOf(world.token(bySecret(world)))
  const claims = decodeJwt(access_token)
  expect(claims.sub).toBe(world.agent)
  expect(claims).not.toHaveProperty('gid')
})

test('a token ends with its grant', async () => {
  await using world = await startWorld()
  const end = Date.now() + 60_000
  const { id } = await letAct(world, { expiresAt: new Date(end).toISOString() })
  const { access_token, ...body } = await answerOf(world.token(bySecret(world, { grant_id: id })))
  const { exp = 0, iat = 0 } = decodeJwt(access_token)
  expect(exp).toBe(Math.floor(end / 1000))
  expect(body).toMatchObject({ expires_in: exp - iat })
})

test('scopes that the grant does not have are passed over, and nothing left is invalid_scope', async () => {
  await using world = await startWorld()
  const { id } = await letAct(world)
  const both = bySecret(world, { grant_id: id, scope: 'invoices:read customers:read' })
  expect((await answerOf(world.token(both))).scope).toBe('invoices:read')
  const none = bySecret(world, { grant_id: id, scope: 'customers:read' })
  expect(await refusal(world, await world.token(none))).toMatchObject({ error: 'invalid_scope' })
})

test('a grant without a scope of this server is invalid_scope', async () => {
  await using world = await startWorld()
  const { id } = await letAct(world, { scopes: ['tickets:read'] })
  expect(await refusal(world, await world.token(bySecret(world, { grant_id: id })))).toMatchObject({
    error: 'invalid_scope',
    reason: 'grant_scopes',
  })
})

const REFUSED: [string, string, (world: World) => Promise<string>][] = [
  ['is unknown', 'grant_unknown', async () => `gnt_${'0'.repeat(26)}`],
  ['has no form of an id', 'grant_unknown', async () => "' or 1=1 --\u0001"],
  [
    'was revoked',
    'grant_revoked',
    async world => {
      const { id } = await letAct(world)
      await revokeGrant(contextOf(world), { id })
      return id
    },
  ],
  [
    'has ended',
    'grant_expired',
    async world => {
      const past = contextOf(world, () => Date.now() - 2 * HOUR_MS)
      await updateAgent(past, { id: world.agent, kind: 'both' })
      const { id } = await createGrant(past, {
        ...{ organization: world.organization, agent: world.agent, person: world.owner, resources: [] },
        ...{ scopes: ['invoices:read'], expiresAt: new Date(Date.now() - HOUR_MS).toISOString() },
      })
      return id
    },
  ],
  [
    "is another agent's",
    'grant_foreign',
    async world => {
      const other = await seed(world.store)
      return (await letAct({ ...world, ...other })).id
    },
  ],
  [
    'is of a person who is suspended',
    'person_suspended',
    async world => {
      const ctx = contextOf(world)
      const { organization } = world
      const bob = await createPerson(ctx, { organization, email: 'bob@northwind.example', name: 'Bob' })
      const { id } = await letAct({ ...world, owner: bob.id })
      await updatePerson(ctx, { id: bob.id, status: 'suspended' })
      return id
    },
  ],
]

test.each(REFUSED)(
  'a grant that %s gives no token, and the caller is not told why',
  async (_, reason, make) => {
    await using world = await startWorld()
    const id = await make(world)
    const response = await world.token(bySecret(world, { grant_id: id }))
    expect(await refusal(world, response)).toEqual({ status: 400, error: 'invalid_grant', reason })
    expect(await world.events('token.issued')).toEqual([])
  },
)

test('an agent that acts for itself only gets no token of a grant that it had before', async () => {
  await using world = await startWorld()
  const { id } = await letAct(world)
  await updateAgent(contextOf(world), { id: world.agent, kind: 'autonomous' })
  expect(await refusal(world, await world.token(bySecret(world, { grant_id: id })))).toMatchObject({
    error: 'unauthorized_client',
    reason: 'agent_autonomous',
  })
})

test('an agent that acts for people only gets a token by a grant, and none without', async () => {
  await using world = await startWorld()
  const { id } = await letAct(world)
  await updateAgent(contextOf(world), { id: world.agent, kind: 'user_authorized' })
  expect((await world.token(bySecret(world, { grant_id: id }))).status).toBe(200)
  expect((await world.token(bySecret(world))).status).toBe(400)
})
