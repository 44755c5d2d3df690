import type { AdminApi, Client } from '@valetkey/sdk/contract'
import type { Risk, RuleMode } from '@valetkey/sdk/core'
import { type ServerOffer, toDefinitions } from '@valetkey/sdk/guard'

/** What a tool (or resource, prompt, method) of a server needs. What has no rule is refused. */
export interface Rule {
  needs: string
  kind?: 'tool' | 'resource' | 'prompt' | 'method'
  resource?: string
  when?: string
  risk?: Risk
  mode?: RuleMode
}
export type Rules = Record<string, Rule>

export const BILLING_RULES: Rules = {
  list_invoices: { needs: 'invoices:read', resource: 'customer/{args.customer}', risk: 'read' },
  get_invoice: {
    needs: 'invoices:read',
    resource: 'customer/{args.customer}/invoice/{args.id}',
    risk: 'read',
  },
  refund_invoice: {
    needs: 'invoices:refund',
    resource: 'customer/{args.customer}/invoice/{args.id}',
    when: 'args.amount <= 500.0',
    risk: 'dangerous',
  },
}

const PERMISSIONS: Record<string, Risk> = {
  'invoices:read': 'read',
  'invoices:refund': 'dangerous',
  'files:read': 'read',
  'files:write': 'write',
}

const ROLES: Record<string, string[]> = {
  'support-agent': ['invoices:read', 'files:read'],
  'billing-analyst': ['invoices:read', 'invoices:refund'],
}

const AGENTS = [
  {
    name: 'support-bot',
    owner: 'maya@northwind.test',
    ceiling: ['invoices:*', 'files:*'],
    role: 'support-agent',
  },
  { name: 'billing-analyst', owner: 'jon@northwind.test', ceiling: ['invoices:*'], role: 'billing-analyst' },
]

/** Parents before children: customers, and their invoices below them. */
const RESOURCES = [
  { type: 'customer', id: 'acme' },
  { type: 'customer', id: 'globex' },
  { type: 'invoice', id: 'INV-1042', parent: 'customer/acme' },
  { type: 'invoice', id: 'INV-1043', parent: 'customer/acme' },
  { type: 'invoice', id: 'INV-2001', parent: 'customer/globex' },
]

/** Northwind through the admin API: two people, two agents, what there is and what they may do. */
export async function seedNorthwind(api: Client<AdminApi>): Promise<void> {
  const { items } = await api.organizations.list({})
  if (!items.some(({ slug }) => slug === 'northwind'))
    await api.organizations.create({ slug: 'northwind', name: 'Northwind' })
  for (const [email, name] of [
    ['maya@northwind.test', 'Maya'],
    ['jon@northwind.test', 'Jon'],
  ] as const)
    await api.people.create({ email, name })
  await api.resourceTypes.create({ slug: 'customer' })
  await api.resourceTypes.create({ slug: 'invoice', parents: ['customer'] })
  await api.resourceTypes.create({ slug: 'file', instances: 'open' })
  for (const resource of RESOURCES) await api.resources.put(resource)
  for (const [slug, risk] of Object.entries(PERMISSIONS)) await api.permissions.create({ slug, risk })
  for (const [slug, permissions] of Object.entries(ROLES)) await api.roles.create({ slug, permissions })
  for (const { role, ...agent } of AGENTS) {
    await api.agents.create(agent)
    await api.assignments.create({ principal: agent.name, role })
  }
}

/** Gives a server its tool map, each tool pinned to the definition that the server offers. */
export async function mapRules(
  api: Client<AdminApi>,
  server: string,
  offer: ServerOffer,
  rules: Rules,
): Promise<void> {
  const definitions = toDefinitions(offer)
  for (const [name, rule] of Object.entries(rules)) {
    const { kind = 'tool', needs: permission, resource = null, when: condition = null, risk = 'write' } = rule
    const offered = definitions.find(found => found.kind === kind && found.name === name)
    await api.tools.map({
      server,
      kind,
      name,
      permission,
      resource,
      condition,
      risk,
      mode: rule.mode ?? null,
      definition: offered?.definition ?? null,
      inputSchema: offered?.inputSchema ?? null,
    })
  }
}
