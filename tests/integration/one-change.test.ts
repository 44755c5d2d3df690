import { expect, test } from 'vitest'
import {
  asOneChange,
  type Context,
  createPermission,
  createRole,
  mapTool,
} from '../../packages/server/src/directory/index.ts'
import { INVOICE_RULE, northwind, type Product, start } from './product.ts'

test('operations run as one make one revision, in which a later one builds on an earlier one', async () => {
  await using product = await start()
  await northwind(product)
  const before = await catalogueRevision(product)
  await asOneChange(contextOf(product), ['catalogue'], async ctx => {
    await createPermission(ctx, {
      slug: 'orders:read',
      type: 'organization',
      label: '',
      risk: 'read',
      condition: null,
    })
    await createRole(ctx, { slug: 'reader', name: '', type: 'organization', permissions: ['orders:read'] })
    await mapTool(ctx, { ...RULE, server: 'billing', name: 'get_order', permission: 'orders:read' })
  })
  expect(await catalogueRevision(product)).toBe(before + 1)
  const rows = await product.store.db
    .selectFrom('changeLog')
    .select(['fact', 'ord'])
    .where('organizationId', '=', 'catalogue')
    .where('revision', '=', before + 1)
    .orderBy('ord')
    .execute()
  expect(rows.map(({ fact, ord }) => `${ord} ${fact}`)).toEqual(['0 permission', '1 role', '2 tool'])
})

test('nothing of it happens where one of them is refused', async () => {
  await using product = await start()
  await northwind(product)
  const before = await catalogueRevision(product)
  const both = asOneChange(contextOf(product), ['catalogue'], async ctx => {
    await createPermission(ctx, {
      slug: 'orders:read',
      type: 'organization',
      label: '',
      risk: 'read',
      condition: null,
    })
    await createRole(ctx, { slug: 'reader', name: '', type: 'organization', permissions: ['none:read'] })
  })
  await expect(both).rejects.toMatchObject({ code: 'not_found' })
  expect(await catalogueRevision(product)).toBe(before)
  expect((await product.client().permissions.list({})).items).toHaveLength(1)
})

const RULE = { ...INVOICE_RULE, kind: 'tool' as const, condition: null, mode: null }

function contextOf({ store, now }: Product): Context {
  return { store, now, actor: { id: 'tok_test', name: 'test', permissions: ['*'] } }
}

async function catalogueRevision({ store }: Product): Promise<number> {
  const query = store.db.selectFrom('organization').select('revision').where('id', '=', 'catalogue')
  return (await query.executeTakeFirstOrThrow()).revision
}
