import { describe, expect, test } from 'vitest'
import { type Product, start } from './product.ts'

/** Two customers with invoices below them; ada reads those of acme, and a group reads everything. */
async function billing(product: Product) {
  const admin = product.client()
  const organization = await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await admin.resourceTypes.create({ slug: 'customer' })
  await admin.resourceTypes.create({ slug: 'invoice', parents: ['customer'] })
  await admin.resourceTypes.create({ slug: 'file', instances: 'open' })
  await admin.permissions.create({ slug: 'customer:read', type: 'customer', risk: 'read' })
  await admin.permissions.create({ slug: 'invoice:read', type: 'invoice', risk: 'read' })
  await admin.permissions.create({ slug: 'invoice:pay', type: 'invoice' })
  await admin.permissions.create({ slug: 'file:read', type: 'file', risk: 'read' })
  await admin.roles.create({
    slug: 'reader',
    type: 'customer',
    permissions: ['customer:read', 'invoice:read'],
  })
  await admin.roles.create({ slug: 'payer', type: 'invoice', permissions: ['invoice:read', 'invoice:pay'] })
  await admin.roles.create({ slug: 'auditor', permissions: ['invoice:read', 'file:read'] })
  await admin.people.create({ email: 'ada@northwind.test', name: 'Ada' })
  await admin.people.create({ email: 'eve@northwind.test', name: 'Eve' })
  await admin.agents.create({ name: 'bot', owner: 'ada@northwind.test', ceiling: ['invoice:*'] })
  for (const id of ['acme', 'globex']) {
    await admin.resources.put({ type: 'customer', id })
    for (const n of [1, 2, 3])
      await admin.resources.put({ type: 'invoice', id: `${id}-${n}`, parent: `customer/${id}` })
  }
  await admin.groups.create({ name: 'finance' })
  await admin.groups.add({ group: 'finance', member: 'user:eve@northwind.test' })
  await admin.assignments.create({
    principal: 'ada@northwind.test',
    role: 'reader',
    resource: 'customer/acme',
  })
  await admin.assignments.create({ principal: 'group:finance', role: 'auditor' })
  return { admin, organization }
}

const ADA = 'user:ada@northwind.test'
const EVE = 'user:eve@northwind.test'

describe('check', () => {
  test('200: a role on a customer reaches its invoices and no others, and says by which assignment', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const question = { principal: ADA, permission: 'invoice:read' }
    const yes = await admin.access.check({ ...question, resource: 'invoice/acme-1' })
    expect(yes).toMatchObject({ allowed: true, reason: 'permitted' })
    expect(yes.via).toEqual([expect.objectContaining({ role: 'reader', on: 'customer/acme', group: null })])
    expect(await admin.access.check({ ...question, resource: 'invoice/globex-1' })).toMatchObject({
      allowed: false,
      reason: 'permission_missing',
      via: [],
    })
    const eve = await admin.access.check({ ...question, principal: EVE, resource: 'invoice/globex-1' })
    expect(eve.via).toEqual([expect.objectContaining({ role: 'auditor', on: 'organization/northwind' })])
    expect(eve.via[0]?.group).not.toBeNull()
  })

  test('200: who and what is not known is denied with a reason, and so is whoever is suspended', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const one = { principal: ADA, permission: 'invoice:read', resource: 'invoice/acme-1' }
    const reason = async (change: Partial<typeof one>) =>
      (await admin.access.check({ ...one, ...change })).reason
    expect(await reason({ principal: 'user:nobody@northwind.test' })).toBe('principal_unknown')
    expect(await reason({ principal: 'usr_01aaaaaaaaaaaaaaaaaaaaaaaa' })).toBe('principal_unknown')
    expect(await reason({ resource: 'invoice/none' })).toBe('resource_unknown')
    await admin.people.update({ id: 'ada@northwind.test', status: 'suspended' })
    expect(await reason({})).toBe('suspended')
    await admin.assignments.create({ principal: 'agent:bot', role: 'auditor' })
    expect(await reason({ principal: 'agent:bot' }), 'its owner is gone').toBe('suspended')
    await admin.people.update({ id: 'ada@northwind.test', status: 'active', reason: 'looked into' })
    expect(await reason({})).toBe('permitted')
    await admin.organizations.freeze({ id: 'northwind' })
    expect(await reason({})).toBe('frozen')
  })

  test('404 and 422: what does not exist in the catalogue, and what does not fit, is a mistake of who asks', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const one = { principal: ADA, permission: 'invoice:read', resource: 'invoice/acme-1' }
    await expect(admin.access.check({ ...one, permission: 'invoice:raed' })).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining('Did you mean "invoice:read"?'),
    })
    await expect(admin.access.check({ ...one, resource: 'invoce/acme-1' })).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining('Did you mean "invoice"?'),
    })
    await expect(admin.access.check({ ...one, permission: 'customer:read' })).rejects.toMatchObject({
      status: 422,
      code: 'permission.mismatch',
    })
    await expect(
      admin.access.checkMany({ checks: [one, { ...one, permission: 'customer:read' }] }),
    ).rejects.toMatchObject({ status: 422, path: 'checks.1.permission' })
  })

  test('400, 401, 403: malformed, unknown, not permitted', async () => {
    await using product = await start()
    await billing(product)
    const one = { principal: ADA, permission: 'invoice:read', resource: 'invoice/acme-1' }
    expect((await product.request('POST', '/access/check', { ...one, resource: 'acme-1' })).status).toBe(400)
    const bare = await product.request('POST', '/access/check', one, { authorization: 'Bearer wrong' })
    expect(bare.status).toBe(401)
    await expect(product.client('agent:read').access.check(one)).rejects.toMatchObject({ status: 403 })
    expect(await product.client('decision:read').access.check(one)).toMatchObject({ allowed: true })
  })

  test('200: many at once answer as each would alone, at one revision', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const checks = [ADA, EVE, 'agent:bot', 'user:nobody@x.test'].flatMap(principal =>
      ['acme-1', 'globex-2', 'none'].map(id => ({
        principal,
        permission: 'invoice:read',
        resource: `invoice/${id}`,
      })),
    )
    const many = await admin.access.checkMany({ checks })
    for (const [i, one] of checks.entries()) {
      const { allowed, reason, revision } = await admin.access.check(one)
      expect(many.results[i]).toEqual({ allowed, reason })
      expect(many.revision).toBe(revision)
    }
  })

  test('200: twenty thousand at once, in a body larger than others may have', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const checks = Array.from({ length: 20_000 }, (_, n) => ({
      principal: n % 2 ? ADA : `user:nobody-${n}@northwind.test`,
      permission: 'invoice:read',
      resource: `invoice/${n % 4 === 1 ? 'acme' : 'globex'}-1`,
    }))
    const { results } = await admin.access.checkMany({ checks })
    expect(results.map(({ allowed }) => allowed)).toEqual(checks.map((_, n) => n % 4 === 1))
  }, 30_000)

  test('200: an assignment ends exactly at its time', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const expiresAt = new Date(product.now() + 60_000).toISOString()
    await admin.assignments.create({
      principal: 'agent:bot',
      role: 'payer',
      resource: 'invoice/acme-1',
      expiresAt,
    })
    const one = { principal: 'agent:bot', permission: 'invoice:pay', resource: 'invoice/acme-1' }
    expect((await admin.access.check({ ...one, at: expiresAt })).allowed).toBe(false)
    product.passTime(59_999)
    expect((await admin.access.check(one)).via[0]?.expiresAt).toBe(expiresAt)
    product.passTime(1)
    expect((await admin.access.check(one)).allowed).toBe(false)
  })

  test('200: a permission with a condition is held only where the condition holds', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const one = { principal: ADA, permission: 'invoice:read', resource: 'invoice/acme-1' }
    await admin.permissions.update({ id: 'invoice:read', condition: 'resource.id != "acme-1"' })
    expect(await admin.access.check(one)).toMatchObject({ allowed: false, reason: 'condition_failed' })
    expect((await admin.access.check({ ...one, resource: 'invoice/acme-2' })).allowed).toBe(true)
    const { resource: _, ...wide } = one
    const reached = await admin.access.resources({ ...wide, type: 'invoice' })
    expect(reached.items.map(item => item.resource)).toEqual(['invoice/acme-2', 'invoice/acme-3'])
    await expect(admin.access.filter(wide)).rejects.toMatchObject({ status: 400 })
  })

  test('200: ids of an open type need no registration; what counts is the organization', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const one = { permission: 'file:read', resource: 'file/%2Fetc%2Fhosts' }
    expect((await admin.access.check({ ...one, principal: EVE })).allowed).toBe(true)
    expect((await admin.access.check({ ...one, principal: ADA })).reason).toBe('permission_missing')
  })
})

describe('lists', () => {
  test('200: what a list names is allowed, and nothing else is', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    for (const principal of [ADA, EVE, 'agent:bot', 'group:finance']) {
      const listed = await admin.access.resources({ principal, permission: 'invoice:read', type: 'invoice' })
      for (const customer of ['acme', 'globex'])
        for (const n of [1, 2, 3]) {
          const resource = `invoice/${customer}-${n}`
          const { allowed } = await admin.access.check({ principal, permission: 'invoice:read', resource })
          expect(listed.items.some(item => item.resource === resource)).toBe(allowed)
        }
    }
  })

  test('200: pages of any size join to the whole list', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const question = { principal: EVE, permission: 'invoice:read', type: 'invoice' }
    const whole = (await admin.access.resources(question)).items
    expect(whole).toHaveLength(6)
    expect(whole[0]?.path).toBe('customer/acme/invoice/acme-1')
    for (let limit = 1; limit <= 7; limit++) {
      const joined: typeof whole = []
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page = await admin.access.resources({ ...question, limit, ...(cursor && { cursor }) })
        expect(page.items.length).toBeLessThanOrEqual(limit)
        joined.push(...page.items)
        cursor = page.next
      }
      expect(joined).toEqual(whole)
    }
  })

  test('400: a cursor that was changed, or belongs to another question, is refused', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const question = { principal: EVE, permission: 'invoice:read', type: 'invoice', limit: 2 }
    const { next } = await admin.access.resources(question)
    const cursor = next ?? ''
    const changed = cursor.slice(0, -2) + (cursor.endsWith('AA') ? 'BB' : 'AA')
    await expect(admin.access.resources({ ...question, cursor: changed })).rejects.toMatchObject({
      status: 400,
    })
    await expect(admin.access.resources({ ...question, principal: ADA, cursor })).rejects.toMatchObject({
      status: 400,
    })
    await expect(
      admin.access.resources({ ...question, permission: 'invoice:pay', cursor }),
    ).rejects.toMatchObject({ status: 400 })
  })

  test('200: holders are told with how they hold it; direct leaves out what comes from above', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    await admin.assignments.create({ principal: 'agent:bot', role: 'payer', resource: 'invoice/acme-1' })
    const question = { permission: 'invoice:read', resource: 'invoice/acme-1' }
    const { items } = await admin.access.principals(question)
    expect(items.map(({ kind, direct }) => [kind, direct])).toEqual(
      expect.arrayContaining([
        ['user', false],
        ['user', false],
        ['agent', true],
        ['group', false],
      ]),
    )
    expect(items).toHaveLength(4)
    const direct = await admin.access.principals({ ...question, how: 'direct' })
    expect(direct.items.map(({ name }) => name)).toEqual(['bot'])
    const users = await admin.access.principals({ ...question, kind: 'user', limit: 1 })
    expect(users.items).toHaveLength(1)
    const rest = await admin.access.principals({
      ...question,
      kind: 'user',
      limit: 1,
      cursor: users.next ?? '',
    })
    expect(rest.items).toHaveLength(1)
    expect(rest.next).toBeNull()
  })

  test('200: a filter is the fewest roots, or all', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    await admin.assignments.create({ principal: ADA, role: 'payer', resource: 'invoice/acme-1' })
    await admin.assignments.create({ principal: ADA, role: 'payer', resource: 'invoice/globex-1' })
    expect(await admin.access.filter({ principal: ADA, permission: 'invoice:read' })).toMatchObject({
      all: false,
      roots: [
        { type: 'customer', id: 'acme' },
        { type: 'invoice', id: 'globex-1' },
      ],
    })
    expect(await admin.access.filter({ principal: EVE, permission: 'invoice:read' })).toMatchObject({
      all: true,
      roots: [],
    })
    expect(await admin.access.filter({ principal: 'agent:bot', permission: 'invoice:read' })).toMatchObject({
      all: false,
      roots: [],
    })
  })

  test('200: everything that somebody may do on one resource', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const { permissions } = await admin.access.effective({ principal: ADA, resource: 'customer/acme' })
    expect(permissions).toEqual(['customer:read'])
    const nothing = await admin.access.effective({ principal: ADA, resource: 'customer/none' })
    expect(nothing.permissions).toEqual([])
  })
})

describe('explain', () => {
  test('200: what was missing, what came close, and the smallest role that would allow it', async () => {
    await using product = await start()
    const { admin } = await billing(product)
    const explained = await admin.access.explain({
      principal: ADA,
      permission: 'invoice:pay',
      resource: 'invoice/acme-1',
    })
    expect(explained).toMatchObject({
      allowed: false,
      reason: 'permission_missing',
      path: ['invoice/acme-1', 'customer/acme', 'organization/northwind'],
      near: [{ role: 'reader', on: 'customer/acme' }],
      wouldAllow: [{ role: 'payer', on: 'invoice/acme-1', alsoGives: ['invoice:read'] }],
    })
    expect(explained.sentence).toBe(
      'Denied: no role of "Ada" on "invoice/acme-1" or above it holds invoice:pay. Role payer on invoice/acme-1 would give it.',
    )
    const fixed = explained.wouldAllow[0]
    await admin.assignments.create({ principal: ADA, role: fixed?.role ?? '', resource: fixed?.on })
    const after = await admin.access.explain({
      principal: ADA,
      permission: 'invoice:pay',
      resource: 'invoice/acme-1',
    })
    expect(after).toMatchObject({ allowed: true, near: [], wouldAllow: [] })
    expect(after.sentence).toMatch(
      /^Allowed: "Ada" holds invoice:pay on "invoice\/acme-1" through role payer/,
    )
  })
})

describe('what if', () => {
  test('200: a policy is compared with what stands, and nothing of it stays', async () => {
    await using product = await start()
    const { admin, organization } = await billing(product)
    const policy = {
      version: 1,
      organization: 'northwind',
      permissions: { 'invoice:void': { type: 'invoice' } },
      roles: { reader: { type: 'customer', permissions: ['customer:read', 'invoice:void'] } },
    }
    const before = await admin.organizations.get({ id: 'northwind' })
    const checks = ['invoice:read', 'invoice:void'].map(permission => ({
      principal: ADA,
      permission,
      resource: 'invoice/acme-1',
    }))
    const compared = await admin.access.whatIf({ policy, checks, principals: [ADA, EVE] })
    expect(compared).toEqual({
      checks: [
        { before: true, after: false },
        { before: false, after: true },
      ],
      principals: [
        {
          principal: ADA,
          gained: [{ permission: 'invoice:void', on: 'customer/acme' }],
          lost: [{ permission: 'invoice:read', on: 'customer/acme' }],
        },
        { principal: EVE, gained: [], lost: [] },
      ],
    })
    expect(await admin.organizations.get({ id: organization.id })).toEqual(before)
    expect((await admin.access.check({ ...checks[0], ...ONE })).allowed).toBe(true)
    await admin.policy.apply({ policy })
    const after = await admin.access.checkMany({ checks })
    expect(after.results.map(({ allowed }) => allowed)).toEqual([false, true])
  })
})

const ONE = { principal: ADA, permission: 'invoice:read', resource: 'invoice/acme-1' }
