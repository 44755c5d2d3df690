import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStore, prepareInsert, prepareListQuery, prepareQuery, type Store } from './index.ts'

let store: Store
beforeAll(async () => {
  store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(1) })
})
afterAll(() => store.close())

const insertTokens = prepareInsert('revokedToken', ['organizationId', 'id', 'agentId', 'expiresAt'])
const findTokens = prepareListQuery((db, { organizationId }: { organizationId: string }, ids: string[]) =>
  db
    .selectFrom('revokedToken')
    .select('id')
    .where('organizationId', '=', organizationId)
    .where('id', 'in', ids),
)
const countTokens = prepareQuery((db, { organizationId }: { organizationId: string }) =>
  db
    .selectFrom('revokedToken')
    .select(eb => eb.fn.countAll<number>().as('count'))
    .where('organizationId', '=', organizationId),
)

test('any number of rows is inserted once each, and found again by any list of their names', async () => {
  for (const count of [0, 1, 4, 5, 6, 19, 20, 99, 100, 137, 499, 500, 501, 1_203]) {
    const organizationId = `org_${count}`
    const rows = Array.from({ length: count }, (_, n) => ({
      organizationId,
      id: `jti_${count}_${n}`,
      agentId: '',
      expiresAt: '2030-01-01T00:00:00.000Z',
    }))
    await store.write(async tx => {
      await tx
        .insertInto('organization')
        .values({
          id: organizationId,
          seq: count + 1,
          slug: organizationId,
          name: '',
          status: 'active',
          createdAt: '',
        })
        .execute()
      await insertTokens(tx, rows)
    })
    expect(await countTokens(store.db, { organizationId })).toEqual([{ count }])
    const ids = rows.map(({ id }) => id)
    const found = await findTokens(store.db, { organizationId }, [...ids, 'jti_nobody'])
    expect(found.map(({ id }) => id).sort()).toEqual(ids.sort())
    expect(await findTokens(store.db, { organizationId: 'org_other' }, ids)).toEqual([])
  }
})

test('a list of nothing finds nothing, and what is named twice in one statement is found once', async () => {
  expect(await findTokens(store.db, { organizationId: 'org_5' }, [])).toEqual([])
  expect(await findTokens(store.db, { organizationId: 'org_5' }, ['jti_5_1', 'jti_5_1'])).toEqual([
    { id: 'jti_5_1' },
  ])
})
