import { expect, test } from 'vitest'
import {
  agree,
  agreeByIssuer,
  type Context,
  createIssuer,
  createPerson,
  revokeGrant,
  updateIssuer,
} from '../../packages/server/src/directory/index.ts'
import { findIssuers, rulesOf } from '../../packages/server/src/oauth/issuer/issuers.ts'
import { RESOURCE, seed } from '../../packages/server/src/oauth/testing/world.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { describeOnBoth } from './databases.ts'

const EIGHT = Array.from({ length: 8 })
const ISSUER = 'https://ci.test'

function contextOf(store: Store, id = 'tok_test'): Context {
  return { store, now: Date.now, actor: { id, name: id, permissions: ['*'] } }
}

describeOnBoth('trusted issuers', open => {
  test('a rule that is said twice at once is one; one that goes takes its credential along', async () => {
    const store = await open()
    const { organization, agent } = await seed(store)
    const ctx = contextOf(store)
    const rules = [{ agent, claims: { repository: 'northwind/billing' } }]
    const made = { organization, name: 'ci', kind: 'workload', issuer: ISSUER } as const
    const results = await Promise.allSettled(EIGHT.map(() => createIssuer(ctx, { ...made, rules })))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await Promise.all(EIGHT.map(() => updateIssuer(ctx, { organization, issuerId: 'ci', rules })))
    const [issuer, ...others] = await findIssuers(store, ISSUER, 'workload')
    expect(others).toEqual([])
    expect(await findIssuers(store, ISSUER, 'enterprise')).toEqual([])
    const standing = issuer ? await rulesOf(store, issuer) : []
    expect(standing).toMatchObject([{ agent, claims: rules[0]?.claims }])
    await updateIssuer(ctx, { organization, issuerId: 'ci', rules: [] })
    const credential = await store.db
      .selectFrom('credential')
      .select('revokedAt')
      .where('id', '=', standing[0]?.credential ?? '')
      .executeTakeFirstOrThrow()
    expect(credential.revokedAt).not.toBeNull()
  })

  test('what an issuer says at once eight times is one grant; what was taken back or given here stands', async () => {
    const store = await open()
    const { organization, agent } = await seed(store)
    const ctx = contextOf(store)
    await store.db.updateTable('agent').set({ kind: 'both' }).where('id', '=', agent).execute()
    const { id: server } = await store.db
      .selectFrom('server')
      .select('id')
      .where('url', '=', RESOURCE)
      .executeTakeFirstOrThrow()
    const say = async (person: string, scopes = ['invoices:read']) => {
      const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
      const parties = { organization, agent, person, server }
      return agreeByIssuer(contextOf(store, 'tri_test'), { ...parties, scopes, expiresAt })
    }
    const person = async (email: string) => (await createPerson(ctx, { organization, email, name: 'P' })).id
    const maya = await person('maya@northwind.example')
    const ids = await Promise.all(EIGHT.map(() => say(maya)))
    expect(new Set(ids).size).toBe(1)
    expect(await say(maya, ['customers:read'])).toBe(ids[0])
    await revokeGrant(ctx, { id: ids[0] ?? '' })
    expect(await say(maya)).toBeUndefined()

    const jon = await person('jon@northwind.example')
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const terms = { scopes: ['customers:read'], elevated: {}, resources: [], expiresAt }
    const own = await agree(contextOf(store, jon), { organization, agent, person: jon, server, ...terms })
    expect(await say(jon)).toBe(own.id)
    const row = await store.db
      .selectFrom('grant')
      .select('scopes')
      .where('id', '=', own.id)
      .executeTakeFirst()
    expect(row?.scopes).toBe('["customers:read"]')
  })
})
