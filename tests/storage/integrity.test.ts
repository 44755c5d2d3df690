import { expect, test } from 'vitest'
import { prepareQuery, type Store, violation } from '../../packages/server/src/store/index.ts'
import { describeOnBoth } from './databases.ts'
import { createOrganization, revokeToken } from './facts.ts'

const AT = '1970-01-01T00:00:00.000Z'

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    error => error,
  )
}

async function openTwoOrganizations(open: () => Promise<Store>): Promise<Store> {
  const store = await open()
  await createOrganization(store, 'northwind', 1)
  await createOrganization(store, 'contoso', 2)
  await store.write(async tx => {
    const role = { id: 'rol_1', organizationId: 'catalogue', slug: 'member', name: 'Member' }
    await tx
      .insertInto('role')
      .values({ ...role, typeId: 'organization' })
      .execute()
  })
  return store
}

describeOnBoth('the tables', open => {
  test('no assignment reaches from one organization into another', async () => {
    const store = await openTwoOrganizations(open)
    const insert = (organizationId: string, principalSeq: number, resourceSeq: number) =>
      store.write(tx =>
        tx
          .insertInto('assignment')
          .values({
            ...{ organizationId, principalSeq, resourceSeq, roleId: 'rol_1', id: `asg_${organizationId}` },
            ...{ source: 'direct', sourceId: '', createdRevision: 1, createdAt: AT, createdBy: 'tok_1' },
          })
          .execute(),
      )
    await store.write(tx =>
      tx
        .insertInto('resource')
        .values({
          ...{ organizationId: 'org_contoso', seq: 2, typeId: 'organization', externalId: 'annex' },
          ...{ name: 'Annex', parentSeq: 1, createdRevision: 1 },
        })
        .execute(),
    )
    expect(violation(await failureOf(insert('org_northwind', 2, 2)))).toBe('reference')
    expect(violation(await failureOf(insert('org_northwind', 3, 1)))).toBe('reference')
    expect(await failureOf(insert('org_contoso', 2, 2))).toBeUndefined()
  })

  test('an agent, its clients, credentials and grants stay in one organization', async () => {
    const store = await openTwoOrganizations(open)
    const at = { organizationId: 'org_northwind', createdAt: AT }
    const client = { id: 'cli_1', kind: 'pre-registered', legacyAudience: 0 } as const
    const owner = store.write(tx =>
      tx.updateTable('agent').set({ ownerId: 'usr_contoso' }).where('id', '=', 'agt_northwind').execute(),
    )
    expect(violation(await failureOf(owner))).toBe('reference')
    const ofForeignAgent = store.write(tx =>
      tx
        .insertInto('client')
        .values({ ...at, ...client, agentId: 'agt_contoso' })
        .execute(),
    )
    expect(violation(await failureOf(ofForeignAgent))).toBe('reference')
    await store.write(tx =>
      tx
        .insertInto('client')
        .values({ ...at, ...client, agentId: 'agt_northwind' })
        .execute(),
    )
    const credential = { id: 'crd_1', clientId: 'cli_1', kind: 'key', label: '', createdBy: 'tok_1' } as const
    const ofForeignClient = store.write(tx =>
      tx
        .insertInto('credential')
        .values({ ...at, ...credential, organizationId: 'org_contoso', agentId: 'agt_contoso' })
        .execute(),
    )
    expect(violation(await failureOf(ofForeignClient))).toBe('reference')
    const grant = { id: 'gnt_1', agentId: 'agt_northwind', scopes: '[]', resources: '[]' }
    const ofForeignPerson = store.write(tx =>
      tx
        .insertInto('grant')
        .values({ ...at, ...grant, personId: 'usr_contoso' })
        .execute(),
    )
    expect(violation(await failureOf(ofForeignPerson))).toBe('reference')
  })

  test('a second thing of one name is a violation that both databases call unique', async () => {
    const store = await openTwoOrganizations(open)
    expect(violation(await failureOf(createOrganization(store, 'northwind', 3)))).toBe('unique')
    await revokeToken(store, 'org_northwind', 'same')
    expect(violation(await failureOf(revokeToken(store, 'org_northwind', 'same')))).toBe('unique')
    expect(violation(new Error('something else'))).toBeUndefined()
  })

  test('text is compared by its bytes, so that pages are cut in the same places', async () => {
    const store = await open()
    const keys = ['a', 'B', '_', 'ä', 'Z', 'a-b', 'ab', '🔑']
    await store.write(tx =>
      tx
        .insertInto('setting')
        .values(keys.map(key => ({ key: `x${key}`, value: '' })))
        .execute(),
    )
    const rows = await store.db
      .selectFrom('setting')
      .select('key')
      .where('key', '>', 'x')
      .where('key', '<', 'y')
      .orderBy('key')
      .execute()
    const byBytes = keys.map(key => `x${key}`).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(rows.map(({ key }) => key)).toEqual(byBytes)
  })

  test('whole numbers come back as numbers, up to the largest safe one', async () => {
    const store = await open()
    const expiresAt = Number.MAX_SAFE_INTEGER
    await store.write(tx => tx.insertInto('replay').values({ id: 'a', expiresAt }).execute())
    const row = await store.db
      .selectFrom('replay')
      .select(eb => ['expiresAt', eb.fn.countAll<number>().over().as('count')])
      .executeTakeFirst()
    expect(row).toEqual({ expiresAt, count: 1 })
  })

  test('a prepared query gives what the same query gives, in and outside of transactions', async () => {
    const store = await openTwoOrganizations(open)
    const findOrganization = prepareQuery((db, { id, seq }: { id: string; seq: number }) =>
      db.selectFrom('organization').select(['id', 'createdAt']).where('id', '=', id).where('seq', '=', seq),
    )
    const northwind = [{ id: 'org_northwind', createdAt: AT }]
    expect(await findOrganization(store.db, { id: 'org_northwind', seq: 1 })).toEqual(northwind)
    expect(await findOrganization(store.db, { id: 'org_northwind', seq: 2 })).toEqual([])
    expect(await store.write(tx => findOrganization(tx, { id: 'org_northwind', seq: 1 }))).toEqual(northwind)
  })

  test('the shared clock runs in milliseconds, and can be asked inside a write', async () => {
    const store = await open()
    const before = await store.clock(store.db)
    const within = await store.write(tx => store.clock(tx))
    expect(Math.abs(before - Date.now())).toBeLessThan(5000)
    expect(within).toBeGreaterThanOrEqual(before)
  })
})
