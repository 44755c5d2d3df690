import type { Product } from './product.ts'

/** Customers with invoices in one organization; who may what with them, directly and through a group. */
export async function tenants(product: Product) {
  const admin = product.client()
  const organization = await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const maya = await admin.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  const jon = await admin.people.create({ email: 'jon@northwind.test', name: 'Jon' })
  await admin.resourceTypes.create({ slug: 'customer' })
  await admin.resourceTypes.create({ slug: 'invoice', parents: ['customer'] })
  await admin.permissions.create({ slug: 'customers:read', type: 'customer', risk: 'read' })
  await admin.permissions.create({ slug: 'invoices:read', type: 'invoice', risk: 'read' })
  await admin.permissions.create({ slug: 'invoices:refund', type: 'invoice', risk: 'dangerous' })
  await admin.roles.create({
    slug: 'account-reader',
    type: 'customer',
    permissions: ['customers:read', 'invoices:read'],
  })
  await admin.roles.create({ slug: 'refunder', type: 'invoice', permissions: ['invoices:refund'] })
  for (const [id, name] of [
    ['acme', 'Acme'],
    ['globex', 'Globex'],
  ] as const)
    await admin.resources.put({ type: 'customer', id, name })
  for (const [id, parent] of [
    ['INV-1', 'customer/acme'],
    ['INV-2', 'customer/acme'],
    ['INV-3', 'customer/globex'],
  ] as const)
    await admin.resources.put({ type: 'invoice', id, parent })
  const finance = await admin.groups.create({ name: 'finance', title: 'Finance team' })
  await admin.groups.add({ group: 'finance', member: 'user:maya@northwind.test' })
  const agent = await admin.agents.create({
    name: 'support-bot',
    owner: 'maya@northwind.test',
    ceiling: ['invoices:read', 'customers:*'],
  })
  await admin.assignments.create({
    principal: 'group:finance',
    role: 'account-reader',
    resource: 'customer/acme',
  })
  const toAgent = await admin.assignments.create({
    principal: 'agent:support-bot',
    role: 'account-reader',
    resource: 'customer/acme',
  })
  await admin.assignments.create({
    principal: 'agent:support-bot',
    role: 'refunder',
    resource: 'invoice/INV-3',
  })
  const server = await admin.servers.create({ name: 'billing', url: 'https://billing.test/mcp' })
  const rule = {
    definition: `sha256-${'a'.repeat(43)}`,
    resource: 'customer/{args.customer}/invoice/{args.id}',
  }
  const properties = { customer: { type: 'string' }, id: { type: 'string' } }
  const inputSchema = { type: 'object', properties }
  for (const [name, permission, risk] of [
    ['get_invoice', 'invoices:read', 'read'],
    ['refund_invoice', 'invoices:refund', 'dangerous'],
  ] as const)
    await admin.tools.map({ server: 'billing', name, permission, risk, inputSchema, ...rule })
  return { organization, maya, jon, finance, agent, toAgent, server }
}
