import { describe, expect, test, vi } from 'vitest'
import {
  type Context,
  describeIndex,
  formatRevisionToken,
  limitIndex,
  parseRevisionToken,
  withIndex,
} from '../../packages/server/src/directory/index.ts'
import { type Product, start } from './product.ts'

const QUESTION = { principal: 'user:ada', permission: 'customer:read', resource: 'customer/acme' }

/** An organization in which ada may read a customer. */
async function found(product: Product, slug = 'northwind') {
  const admin = product.client()
  const organization = await admin.organizations.create({ slug, name: slug })
  if (slug === 'northwind') {
    await admin.resourceTypes.create({ slug: 'customer' })
    await admin.permissions.create({ slug: 'customer:read', type: 'customer' })
    await admin.roles.create({ slug: 'reader', type: 'customer', permissions: ['customer:read'] })
  }
  await admin.people.create({ organization: slug, externalId: 'ada', name: 'Ada' })
  await admin.resources.put({ organization: slug, type: 'customer', id: 'acme' })
  const assignment = await admin.assignments.create({
    organization: slug,
    principal: 'user:ada',
    role: 'reader',
    resource: 'customer/acme',
  })
  return { admin, organization, assignment }
}

function contextOf({ store, now }: Product): Context {
  return { store, now, actor: { id: 'tok_test', name: 'test', permissions: ['*'] } }
}

const viewOf = (product: Product, organization: string) =>
  withIndex(contextOf(product), { organization }, ({ view }) => view)

describe('how new an answer is', () => {
  test('by default nothing older than what was committed before the question', async () => {
    await using product = await start()
    const { admin, assignment } = await found(product)
    expect((await admin.access.check(QUESTION)).allowed).toBe(true)
    await admin.assignments.remove({ id: assignment.id })
    expect((await admin.access.check(QUESTION)).allowed).toBe(false)
  })

  test('local answers from memory; the token of a write asks for at least that write', async () => {
    await using product = await start()
    const { admin, assignment } = await found(product)
    const before = await admin.access.check({ ...QUESTION, consistency: 'local' })
    expect(before.allowed).toBe(true)
    const removed = await product.request('DELETE', `/assignments/${assignment.id}`)
    const token = removed.headers.get('valetkey-revision') ?? ''
    const local = await admin.access.check({ ...QUESTION, consistency: 'local' })
    expect(local, 'nobody has asked for more yet').toEqual(before)
    expect((await admin.access.check({ ...QUESTION, consistency: before.revision })).allowed).toBe(true)
    const after = await admin.access.check({ ...QUESTION, consistency: token })
    expect(after).toMatchObject({ allowed: false, revision: token })
    expect((await admin.access.check({ ...QUESTION, consistency: 'local' })).allowed).toBe(false)
  })

  test('the token of a write to the catalogue holds for every organization', async () => {
    await using product = await start()
    const { admin } = await found(product)
    expect((await admin.access.check({ ...QUESTION, consistency: 'local' })).allowed).toBe(true)
    const edited = await product.request('PATCH', '/roles/reader', { permissions: [] })
    const token = edited.headers.get('valetkey-revision') ?? ''
    expect((await admin.access.check({ ...QUESTION, consistency: token })).allowed).toBe(false)
  })

  test('a revision that there is not denies; lists, which cannot say so, refuse', async () => {
    await using product = await start()
    const { admin } = await found(product)
    const { revision } = await admin.access.check(QUESTION)
    const now = parseRevisionToken(revision)
    for (const ahead of [
      { ...now, revision: now.revision + 1 },
      { ...now, catalogue: now.catalogue + 1 },
    ]) {
      const consistency = formatRevisionToken(ahead)
      const answer = await admin.access.check({ ...QUESTION, consistency })
      expect(answer).toMatchObject({ allowed: false, reason: 'stale' })
      const many = await admin.access.checkMany({ checks: [QUESTION], consistency })
      expect(many.results).toEqual([{ allowed: false, reason: 'stale' }])
      const { principal, permission } = QUESTION
      await expect(admin.access.filter({ principal, permission, consistency })).rejects.toMatchObject({
        status: 400,
        code: 'revision.unknown',
      })
    }
  })

  test('400: the token of another organization, or one that nobody gave out', async () => {
    await using product = await start()
    const { admin } = await found(product)
    const { revision } = await admin.access.check(QUESTION)
    await found(product, 'contoso')
    const foreign = { ...QUESTION, organization: 'contoso' }
    const refused = { status: 400, code: 'revision.unknown' }
    await expect(admin.access.check({ ...foreign, consistency: revision })).rejects.toMatchObject(refused)
    for (const consistency of [
      'rev_',
      'rev_x',
      `${revision}A`,
      `rev_${Buffer.from('1.-1.2').toString('base64url')}`,
    ])
      await expect(
        admin.access.check({ ...QUESTION, organization: 'northwind', consistency }),
        consistency,
      ).rejects.toMatchObject(refused)
    expect(
      (await product.request('POST', '/access/check', { ...QUESTION, consistency: 'soon' })).status,
    ).toBe(400)
  })

  test('a database that went back to an earlier day is believed', async () => {
    await using product = await start()
    const { admin, organization } = await found(product)
    await admin.access.check(QUESTION)
    const { db } = product.store
    const at = organization.revision
    await db.deleteFrom('changeLog').where('organizationId', '=', organization.id).execute()
    await db.deleteFrom('assignment').execute()
    await db.updateTable('organization').set({ revision: at }).where('id', '=', organization.id).execute()
    expect((await admin.access.check(QUESTION)).allowed).toBe(false)
  })
})

describe('what is kept in memory', () => {
  test('changes are read from the log and applied; nothing is loaded twice', async () => {
    await using product = await start()
    const { admin, organization } = await found(product)
    const view = await viewOf(product, organization.id)
    const { revision } = view
    for (let n = 0; n < 5; n++) await admin.resources.put({ type: 'customer', id: `c-${n}` })
    await admin.roles.update({ id: 'reader', permissions: [] })
    const again = await viewOf(product, organization.id)
    expect(again, 'the very same object').toBe(view)
    expect(again.revision).toBe(revision + 5)
    expect((await admin.access.check(QUESTION)).allowed).toBe(false)
  })

  test('where the log has forgotten, all is loaded anew', async () => {
    await using product = await start()
    const { admin, organization, assignment } = await found(product)
    const view = await viewOf(product, organization.id)
    await admin.assignments.remove({ id: assignment.id })
    await product.store.db.deleteFrom('changeLog').where('organizationId', '=', organization.id).execute()
    expect((await admin.access.check(QUESTION)).allowed).toBe(false)
    expect(await viewOf(product, organization.id)).not.toBe(view)
  })

  test('many questions at once on an organization that is not held load it once', async () => {
    await using product = await start()
    const { admin } = await found(product)
    await product.audit.flush()
    const loads = vi.spyOn(product.store.db, 'transaction')
    const answers = await Promise.all(Array.from({ length: 40 }, () => admin.access.check(QUESTION)))
    expect(answers.every(({ allowed }) => allowed)).toBe(true)
    expect(loads.mock.calls.length, 'the catalogue and the organization').toBe(2)
  })

  test('organizations that nobody asks about make room, and are there again when somebody does', async () => {
    await using product = await start()
    const { admin } = await found(product)
    const slugs = ['northwind', ...Array.from({ length: 6 }, (_, n) => `org-${n}`)]
    for (const slug of slugs.slice(1)) await found(product, slug)
    const allowed = async (organization: string) =>
      (await admin.access.check({ ...QUESTION, organization })).allowed
    await allowed('northwind')
    const { bytes } = describeIndex(product.store)
    limitIndex(product.store, bytes * 3)
    for (const organization of [...slugs, ...slugs.toReversed()]) {
      expect(await allowed(organization), organization).toBe(true)
      const held = describeIndex(product.store)
      expect(held.bytes).toBeLessThanOrEqual(bytes * 3)
      expect(held.organizations.length).toBeGreaterThan(0)
    }
    limitIndex(product.store, 0)
    expect(describeIndex(product.store).organizations).toEqual([])
    const all = await Promise.all([...slugs, ...slugs].map(allowed))
    expect(all, 'even where nothing may stay').not.toContain(false)
  })
})

describe('the revision of a write', () => {
  test('every write names what it made; the same again names what stands; reading and failing name nothing', async () => {
    await using product = await start()
    const { organization } = await found(product)
    const head = async (id: string) =>
      (await product.store.db
        .selectFrom('organization')
        .select(['seq', 'revision'])
        .where('id', '=', id)
        .executeTakeFirstOrThrow()) as { seq: number; revision: number }
    const heads = async () => {
      const [own, catalogue] = [await head(organization.id), await head('catalogue')]
      return { organization: own.seq, revision: own.revision, catalogue: catalogue.revision }
    }
    const resource = { type: 'customer', id: 'new' }
    const writes: [string, string, unknown][] = [
      ['PUT', '/resource', resource],
      ['PUT', '/resource', resource],
      ['PATCH', '/people/ada', { name: 'Ada L.' }],
      ['PATCH', '/people/ada', { name: 'Ada L.' }],
      ['POST', '/groups', { name: 'readers' }],
      ['PUT', '/groups/readers/members', { member: 'user:ada' }],
      ['PUT', '/groups/readers/members', { member: 'user:ada' }],
      ['POST', `/organizations/${organization.id}/thaw`, { reason: 'it is not frozen' }],
      ['POST', '/resources/import', { rows: [{ type: 'customer', id: 'a' }] }],
    ]
    for (const [method, path, body] of writes) {
      const answer = await product.request(method, path, body)
      expect(answer.status, path).toBe(200)
      expect(parseRevisionToken(answer.headers.get('valetkey-revision') ?? ''), path).toEqual(await heads())
    }
    const role = await product.request('PATCH', '/roles/reader', { permissions: ['customer:read'] })
    const { catalogue } = await heads()
    const token = parseRevisionToken(role.headers.get('valetkey-revision') ?? '')
    expect(token.catalogue).toBe(catalogue)
    for (const [method, path, body] of [
      ['GET', '/people', undefined],
      ['POST', '/access/check', QUESTION],
      ['PUT', '/resource', { type: 'planet', id: 'x' }],
    ] as const)
      expect((await product.request(method, path, body)).headers.get('valetkey-revision'), path).toBeNull()
  })
})
