import { expect, describe as group, test } from 'vitest'
import { northwind, type Product, start } from './product.ts'

/** Customers with folders and invoices; files are open. Northwind has acme (f1, INV-1) and globex; Contoso has acme. */
async function startTree() {
  const product = await start()
  const admin = product.client()
  await northwind(product)
  await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
  await admin.resourceTypes.create({ slug: 'customer', name: 'Customer' })
  await admin.resourceTypes.create({ slug: 'folder', parents: ['customer'] })
  await admin.resourceTypes.create({ slug: 'bill', parents: ['customer', 'folder'] })
  await admin.resourceTypes.create({ slug: 'file', instances: 'open' })
  const put = (type: string, id: string, parent?: string, organization = 'northwind') =>
    admin.resources.put({ organization, type, id, ...(parent && { parent }) })
  await put('customer', 'acme')
  await put('customer', 'globex')
  await put('folder', 'f1', 'customer/acme')
  await put('bill', 'INV-1', 'folder/f1')
  await put('customer', 'acme', undefined, 'contoso')
  await put('customer', 'initech', undefined, 'contoso')
  return Object.assign(product, { admin, put })
}

const HERE = { organization: 'northwind' }
const revisionOf = async (product: Product, slug = 'northwind') =>
  (await product.client().organizations.get({ id: slug })).revision

group('resources', () => {
  test('200: a resource is shown with its parent and its path, names and ids as they were given', async () => {
    await using product = await startTree()
    const { admin } = product
    const id = 'Ü/50%'
    const made = await admin.resources.put({
      ...HERE,
      type: 'bill',
      id,
      name: 'Fünfzig',
      parent: 'folder/f1',
    })
    const { id: organization } = await admin.organizations.get({ id: 'northwind' })
    expect(made).toEqual({
      ...{ type: 'bill', id, name: 'Fünfzig', organization, parent: 'folder/f1' },
      path: 'customer/acme/folder/f1/bill/Ü%2F50%25',
    })
    expect(await admin.resources.get({ ...HERE, resource: 'bill/Ü%2F50%25' })).toEqual(made)
    expect(await admin.resources.get({ ...HERE, resource: 'organization/northwind' })).toMatchObject({
      ...{ parent: null, path: 'organization/northwind', name: 'Northwind' },
    })
    expect((await admin.resources.get({ ...HERE, resource: 'customer/acme' })).parent).toBe(
      'organization/northwind',
    )
  })

  test('200: the same again changes nothing, another name is a change, and the parent stays', async () => {
    await using product = await startTree()
    const { admin, put } = product
    const before = await revisionOf(product)
    await put('bill', 'INV-1')
    await put('bill', 'INV-1', 'folder/f1')
    expect(await revisionOf(product)).toBe(before)
    const renamed = await admin.resources.put({ ...HERE, type: 'bill', id: 'INV-1', name: 'First' })
    expect(renamed).toMatchObject({ name: 'First', parent: 'folder/f1' })
    expect(await revisionOf(product)).toBe(before + 1)
    await expect(put('bill', 'INV-1', 'customer/globex')).rejects.toMatchObject({ code: 'conflict.state' })
  })

  test('200: lists are of a type, below a parent, or both, page by page', async () => {
    await using product = await startTree()
    const { admin, put } = product
    for (let n = 9; n > 0; n--) await put('bill', `B-${n}`, n % 2 ? 'customer/globex' : 'folder/f1')
    const pages = async (query: object) => {
      const seen: string[] = []
      for (let cursor: string | undefined; ; ) {
        const page = await admin.resources.list({ ...HERE, ...query, limit: 2, ...(cursor && { cursor }) })
        seen.push(...page.items.map(({ type, id }) => `${type}/${id}`))
        if (page.next === null) return seen
        cursor = page.next
      }
    }
    const bills = ['B-1', 'B-2', 'B-3', 'B-4', 'B-5', 'B-6', 'B-7', 'B-8', 'B-9', 'INV-1']
    expect(await pages({ type: 'bill' })).toEqual(bills.map(id => `bill/${id}`))
    expect(await pages({ parent: 'customer/globex' })).toEqual(
      ['B-9', 'B-7', 'B-5', 'B-3', 'B-1'].map(id => `bill/${id}`),
    )
    expect(await pages({ parent: 'customer/acme', type: 'bill' })).toEqual([])
    expect(await pages({})).toHaveLength(14)
    const { next } = await admin.resources.list({ ...HERE, type: 'bill', limit: 1 })
    const elsewhere = { ...HERE, type: 'folder', cursor: next ?? '' }
    await expect(admin.resources.list(elsewhere)).rejects.toMatchObject({ status: 400 })
  })

  test('200: a move takes everything below along, and moving back restores it', async () => {
    await using product = await startTree()
    const { admin } = product
    const move = (parent: string) => admin.resources.move({ ...HERE, resource: 'folder/f1', parent })
    expect((await move('customer/globex')).path).toBe('customer/globex/folder/f1')
    const path = async () => (await admin.resources.get({ ...HERE, resource: 'bill/INV-1' })).path
    expect(await path()).toBe('customer/globex/folder/f1/bill/INV-1')
    const before = await revisionOf(product)
    await move('customer/globex')
    expect(await revisionOf(product)).toBe(before)
    await move('customer/acme')
    expect(await path()).toBe('customer/acme/folder/f1/bill/INV-1')
  })

  test('409: nothing lies below itself, below what it cannot lie below, or above the organization', async () => {
    await using product = await startTree()
    const { admin, put } = product
    const before = await revisionOf(product)
    const misplaced = { status: 409, code: 'resource.misplaced' }
    const move = (resource: string, parent: string) => admin.resources.move({ ...HERE, resource, parent })
    await expect(move('folder/f1', 'folder/f1')).rejects.toMatchObject(misplaced)
    await expect(move('customer/acme', 'folder/f1')).rejects.toMatchObject(misplaced)
    await expect(move('customer/acme', 'bill/INV-1')).rejects.toMatchObject(misplaced)
    await expect(move('folder/f1', 'organization/northwind')).rejects.toMatchObject(misplaced)
    await expect(move('organization/northwind', 'customer/acme')).rejects.toMatchObject(misplaced)
    await expect(put('bill', 'INV-9')).rejects.toMatchObject(misplaced)
    await expect(put('customer', 'x', 'customer/acme')).rejects.toMatchObject(misplaced)
    expect(await revisionOf(product)).toBe(before)
  })

  test('404: resources of another organization are as unknown as those that are nowhere', async () => {
    await using product = await startTree()
    const { admin, put } = product
    const answers = async (run: (id: string) => Promise<unknown>) => {
      const refusals = await Promise.all(
        ['initech', 'nothing'].map(id =>
          run(id).catch((error: { status: number; message: string }) => error),
        ),
      )
      const [foreign, unknown] = refusals.map(refusal => {
        const { status, message } = refusal as { status: number; message: string }
        return { status, message: message.replace(/initech|nothing/, '…') }
      })
      expect(foreign).toEqual(unknown)
      expect(foreign?.status).toBe(404)
    }
    await answers(id => admin.resources.get({ ...HERE, resource: `customer/${id}` }))
    await answers(id => put('folder', 'f2', `customer/${id}`))
    await answers(id => admin.resources.move({ ...HERE, resource: 'folder/f1', parent: `customer/${id}` }))
    await answers(id => admin.resources.remove({ ...HERE, resource: `customer/${id}`, cascade: 'true' }))
    await answers(id => admin.resources.list({ ...HERE, parent: `customer/${id}` }))
    await answers(id => admin.assignments.clear({ ...HERE, resource: `customer/${id}` }))
    await expect(put('costumer', 'x')).rejects.toThrow(/Did you mean "customer"/)
  })

  test('409: what others depend on stays, unless all of it is to go', async () => {
    await using product = await startTree()
    const { admin } = product
    await admin.permissions.create({ slug: 'bills:read', type: 'bill' })
    await admin.roles.create({ slug: 'reader', type: 'bill', permissions: ['bills:read'] })
    const given = await admin.assignments.create({
      ...{ ...HERE, principal: 'support-bot', role: 'reader', resource: 'bill/INV-1' },
    })
    const remove = (resource: string, cascade: boolean) =>
      admin.resources.remove({ ...HERE, resource, cascade: String(cascade) })
    const refused = { status: 409, code: 'resource.has_dependents' }
    await expect(remove('folder/f1', false)).rejects.toMatchObject(refused)
    await expect(remove('bill/INV-1', false)).rejects.toMatchObject(refused)
    await expect(remove('organization/northwind', true)).rejects.toMatchObject({ code: 'conflict.state' })
    const before = await revisionOf(product)
    expect(await remove('customer/acme', true)).toMatchObject({ path: 'customer/acme', removed: 3 })
    expect(await revisionOf(product)).toBe(before + 1)
    expect((await admin.assignments.list(HERE)).items.map(({ id }) => id)).not.toContain(given.id)
    await expect(admin.resources.get({ ...HERE, resource: 'bill/INV-1' })).rejects.toMatchObject({
      status: 404,
    })
    expect(await product.events()).toContainEqual(
      expect.objectContaining({
        type: 'resource.removed',
        target: 'customer/acme',
        detail: { name: '', resources: 3, assignments: 1 },
      }),
    )
  })

  test('an id that comes back has another number and inherits nothing', async () => {
    await using product = await startTree()
    const { admin, put } = product
    await admin.permissions.create({ slug: 'bills:read', type: 'bill' })
    await admin.roles.create({ slug: 'reader', type: 'customer', permissions: ['bills:read'] })
    await admin.assignments.create({
      ...{ ...HERE, principal: 'support-bot', role: 'reader', resource: 'customer/acme' },
    })
    const question = { ...HERE, principal: 'support-bot', permission: 'bills:read', resource: 'bill/INV-1' }
    expect((await admin.access.check(question)).allowed).toBe(true)
    await admin.resources.remove({ ...HERE, resource: 'customer/acme', cascade: 'true' })
    await put('customer', 'acme')
    await put('folder', 'f1', 'customer/acme')
    await put('bill', 'INV-1', 'folder/f1')
    expect((await admin.access.check(question)).allowed).toBe(false)
    const { items } = await admin.assignments.list({ ...HERE, resource: 'customer/acme' })
    expect(items).toEqual([])
    const rows = await product.store.db
      .selectFrom('resource')
      .select(['seq', 'deletedRevision'])
      .where('externalId', '=', 'INV-1')
      .orderBy('seq')
      .execute()
    expect(rows).toEqual([
      { seq: 5, deletedRevision: expect.any(Number) },
      { seq: 8, deletedRevision: null },
    ])
  })

  test.each([
    ['a control character', 'a\u0007b'],
    ['U+0000', 'a\u0000b'],
    ['a line separator', 'a\u2028b'],
    ['a zero-width space', 'a\u200bb'],
    ['a zero-width joiner', 'a\u200db'],
    ['a soft hyphen', 'a\u00adb'],
    ['a change of direction', 'a\u202eb'],
    ['a half of a pair', 'a\ud800b'],
    ['another normal form', 'Cafe\u0301'],
    ['four kilobytes', 'x'.repeat(4096)],
    ['nothing', ''],
  ])('400: an id with %s is refused, alone and in an import', async (_, id) => {
    await using product = await startTree()
    const before = await revisionOf(product)
    const one = await product.request('PUT', '/resource', { ...HERE, type: 'customer', id })
    expect(one).toMatchObject({ status: 400, body: { code: 'request.invalid' } })
    const many = await product.request('POST', '/resources/import', {
      ...HERE,
      rows: [{ type: 'customer', id }],
    })
    if (many.status === 200) expect(many.body).toMatchObject({ created: 0, rejected: [{ row: 0 }] })
    else expect(many.status).toBe(400)
    expect(await revisionOf(product)).toBe(before)
  })

  test('look-alikes and other cases are other ids', async () => {
    await using product = await startTree()
    const { admin, put } = product
    for (const id of ['Acme', 'аcme', 'ACME', 'acme ']) await put('customer', id)
    const { items } = await admin.resources.list({ ...HERE, type: 'customer' })
    expect(items).toHaveLength(6)
    const nfd = 'customer/Cafe\u0301'
    await put('customer', 'Caf\u00e9')
    await expect(admin.resources.get({ ...HERE, resource: nfd })).rejects.toMatchObject({ status: 404 })
  })

  test('400: the organization itself and open ids are not registered', async () => {
    await using product = await startTree()
    const { put } = product
    await expect(put('organization', 'x')).rejects.toMatchObject({ status: 400 })
    await expect(put('file', 'x')).rejects.toMatchObject({ status: 400 })
    const malformed = await product.request('GET', '/resource?organization=northwind&resource=customer')
    expect(malformed.status).toBe(400)
  })

  test('401, 403: without a token nobody reads, and with one that reads nobody writes', async () => {
    await using product = await startTree()
    const reader = product.client('resource:read')
    expect((await reader.resources.list(HERE)).items).toHaveLength(5)
    const denied = { status: 403, code: 'permission.denied' }
    await expect(reader.resources.put({ ...HERE, type: 'customer', id: 'x' })).rejects.toMatchObject(denied)
    await expect(reader.resources.import({ ...HERE, rows: [] })).rejects.toMatchObject(denied)
    await expect(reader.groups.list(HERE)).rejects.toMatchObject(denied)
    await expect(reader.grants.list(HERE)).rejects.toMatchObject(denied)
    await expect(reader.services.list(HERE)).rejects.toMatchObject(denied)
    const nobody = product.clientWith(() => 'vk_none')
    await expect(nobody.resources.list(HERE)).rejects.toMatchObject({ status: 401 })
  })
})

group('an import', () => {
  test('200: takes what it can and says of every other row why not', async () => {
    await using product = await startTree()
    const { admin } = product
    const rows = [
      { type: 'bill', id: 'N-1', parent: 'customer/new' },
      { type: 'customer', id: 'new', name: 'New' },
      { type: 'folder', id: 'nf', parent: 'customer/new' },
      { type: 'bill', id: 'N-2', parent: 'folder/nf' },
      { type: 'bill', id: 'N-3' },
      { type: 'bil', id: 'N-4' },
      { type: 'bill', id: 'N-5', parent: 'customer' },
      { type: 'bill', id: 'N-6', parent: 'customer/initech' },
      { type: 'file', id: 'f' },
      { type: 'customer' },
      { type: 'customer', id: 'x', colour: 'red' },
      'customer/acme',
      null,
      7,
      [],
      { type: 'customer', id: 'acme' },
      { type: 'bill', id: 'INV-1', parent: 'customer/globex' },
      { type: 'customer', id: 'new', name: 'Newer' },
    ]
    const before = await revisionOf(product)
    const answer = await admin.resources.import({ ...HERE, rows })
    expect(answer).toMatchObject({ created: 3, changed: 2, unchanged: 1 })
    expect(answer.rejected.map(({ row, code }) => `${row} ${code}`)).toEqual([
      '0 not_found',
      '4 resource.misplaced',
      '5 not_found',
      '6 request.invalid',
      '7 not_found',
      '8 request.invalid',
      '9 request.invalid',
      '10 request.invalid',
      '11 request.invalid',
      '12 request.invalid',
      '13 request.invalid',
      '14 request.invalid',
    ])
    expect(await revisionOf(product)).toBe(before + 1)
    const path = async (resource: string) => (await admin.resources.get({ ...HERE, resource })).path
    expect(await path('bill/N-2')).toBe('customer/new/folder/nf/bill/N-2')
    expect(await path('bill/INV-1')).toBe('customer/globex/bill/INV-1')
    expect((await admin.resources.get({ ...HERE, resource: 'customer/new' })).name).toBe('Newer')
    expect(await product.events()).toContainEqual(
      expect.objectContaining({
        type: 'resources.imported',
        detail: { created: 3, changed: 2, rejected: 12 },
      }),
    )
  })

  test('200: again it changes nothing, and raises no revision', async () => {
    await using product = await startTree()
    const { admin } = product
    const rows = Array.from({ length: 2000 }, (_, n) => ({
      type: n % 10 ? 'bill' : 'customer',
      id: `x${n}`,
      ...(n % 10 && { parent: `customer/x${n - (n % 10)}` }),
    }))
    expect(await admin.resources.import({ ...HERE, rows })).toMatchObject({ created: 2000, rejected: [] })
    const before = await revisionOf(product)
    expect(await admin.resources.import({ ...HERE, rows })).toMatchObject({ unchanged: 2000, created: 0 })
    expect(await revisionOf(product)).toBe(before)
  })

  test('400: of more rows than one request takes', async () => {
    await using product = await startTree()
    const rows = Array.from({ length: 2001 }, (_, n) => ({ type: 'customer', id: `x${n}` }))
    await expect(product.admin.resources.import({ ...HERE, rows })).rejects.toMatchObject({ status: 400 })
  })
})

group('resource types', () => {
  test('200: a type is renamed and lies below more types; its slug stays', async () => {
    await using product = await startTree()
    const { admin, put } = product
    const parents = ['organization', 'customer', 'folder']
    expect(await admin.resourceTypes.update({ id: 'bill', name: 'Bill', parents })).toMatchObject({
      ...{ slug: 'bill', name: 'Bill', parents: ['customer', 'folder', 'organization'] },
    })
    expect((await put('bill', 'top')).path).toBe('bill/top')
    const slug = await product.request('PATCH', '/resource-types/bill', { slug: 'invoice' })
    expect(slug.status).toBe(400)
  })

  test('409: a parent stays as long as resources lie there', async () => {
    await using product = await startTree()
    const { admin } = product
    const update = admin.resourceTypes.update({ id: 'bill', parents: ['customer'] })
    await expect(update).rejects.toMatchObject({ status: 409, code: 'conflict.in_use' })
    await admin.resources.move({ ...HERE, resource: 'bill/INV-1', parent: 'customer/acme' })
    expect(await admin.resourceTypes.update({ id: 'bill', parents: ['customer'] })).toMatchObject({
      parents: ['customer'],
    })
  })

  test('422: no circles, nothing below open ids, and 32 types at most', async () => {
    await using product = await startTree()
    const { admin } = product
    const circle = (id: string, parent: string) => admin.resourceTypes.update({ id, parents: [parent] })
    await expect(circle('customer', 'bill')).rejects.toMatchObject({ status: 422 })
    await expect(circle('customer', 'customer')).rejects.toMatchObject({ status: 422 })
    await expect(circle('bill', 'file')).rejects.toMatchObject({ status: 422 })
    await expect(circle('organization', 'customer')).rejects.toBeTruthy()
    for (let n = 1; n <= 32; n++)
      await admin.resourceTypes.create({ slug: `t${n}`, parents: [n === 1 ? 'organization' : `t${n - 1}`] })
    const deeper = admin.resourceTypes.create({ slug: 't33', parents: ['t32'] })
    await expect(deeper).rejects.toMatchObject({ status: 422 })
    await expect(circle('t1', 'customer')).rejects.toMatchObject({ status: 422 })
    for (let n = 1; n <= 32; n++) await product.put(`t${n}`, 'x', n === 1 ? undefined : `t${n - 1}/x`)
    const { path } = await admin.resources.get({ ...HERE, resource: 't32/x' })
    expect(path.split('/')).toHaveLength(64)
  })
})

group('rules', () => {
  test.each([
    ['costumer/{args.id}', 'bills:read', /No resource type "costumer". Did you mean "customer"/],
    ['bill/{args.id}/customer/{args.id}', 'bills:read', /"customer" never lies below one of type "bill"/],
    ['bill/{args.id}/bill/{args.id}', 'bills:read', /never lies below/],
    ['file/{args.id}/bill/{args.id}', 'bills:read', /not registered, so it can only be the last/],
    ['customer/{args.id}', 'bills:read', /is one on "bill": nobody can hold it on .* "customer"/],
    ['customer/{args.id}/bill', 'bills:read', /made of pairs/],
  ])('422: a template that can never match is refused: %s', async (resource, permission, sentence) => {
    await using product = await startTree()
    await product.admin.permissions.create({ slug: 'bills:read', type: 'bill' })
    const rule = { server: 'billing', kind: 'method' as const, name: 'x/y', permission, resource }
    const map = product.admin.tools.map({ ...rule, definition: null, inputSchema: null } as never)
    await expect(map).rejects.toMatchObject({ status: 422, code: 'policy.invalid' })
    await expect(map).rejects.toThrow(sentence)
  })

  test.each([
    'bill/{args.id}',
    'customer/{args.c}/bill/{args.id}',
    'customer/{args.c}/folder/f1/bill/{args.ids}',
    'customer/acme/bill/*',
  ])('200: %s can name something', async resource => {
    await using product = await startTree()
    await product.admin.permissions.create({ slug: 'bills:read', type: 'bill' })
    const rule = { kind: 'method', name: 'x/y', permission: 'bills:read', resource }
    const answer = await product.request('PUT', '/servers/billing/tools', rule)
    expect([answer.status, answer.body.resource]).toEqual([200, resource])
  })
})
