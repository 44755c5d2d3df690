import type { AdminApi, Client } from '@valetkey/sdk/contract'
import type { JsonObject } from '@valetkey/sdk/core'
import { type ServerOffer, toDefinitions } from '@valetkey/sdk/guard'

interface Rule {
  needs: string
  resource?: string
  when?: string
  risk: 'read' | 'write' | 'dangerous'
}

/** What each tool of the demo's servers needs. What is not listed is refused. */
const BILLING: Record<string, Rule> = {
  list_tickets: { needs: 'tickets:read', resource: 'customer/{args.customer}', risk: 'read' },
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

const FILES: Record<string, Rule> = {
  read_text_file: { needs: 'files:read', resource: 'file/{args.path}', risk: 'read' },
  list_directory: { needs: 'files:read', resource: 'file/{args.path}', risk: 'read' },
  write_file: { needs: 'files:write', resource: 'file/{args.path}', risk: 'write' },
}

/**
 * Makes the demo organization: two people, four agents, customers with their invoices, roles, and the rules of the two
 * servers, pinned to the definitions that they offer.
 */
export async function seedNorthwind(
  api: Client<AdminApi>,
  servers: { billing: { url: string; offer: ServerOffer }; files?: { url: string; offer: ServerOffer } },
): Promise<void> {
  const { items } = await api.organizations.list({})
  if (!items.some(organization => organization.slug === 'northwind'))
    await api.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await api.policy.apply({ organization: 'northwind', policy: northwindPolicy(servers) })
}

function northwindPolicy(servers: Parameters<typeof seedNorthwind>[1]): JsonObject {
  const { billing, files } = servers
  return {
    version: 1,
    organization: 'northwind',
    people: { 'maya@northwind.dev': { name: 'Maya' }, 'jon@northwind.dev': { name: 'Jon' } },
    resourceTypes: {
      customer: { name: 'Customer' },
      invoice: { name: 'Invoice', parents: ['customer'] },
      // Nobody registers files: any path names one, and roles on the whole organization decide.
      file: { name: 'Shared file', instances: 'open' },
    },
    resources: {
      'customer/acme': { name: 'Acme' },
      'customer/globex': { name: 'Globex' },
      'invoice/INV-1042': { parent: 'customer/acme' },
      'invoice/INV-1043': { parent: 'customer/acme' },
      'invoice/INV-2001': { parent: 'customer/globex' },
    },
    permissions: {
      'tickets:read': { type: 'customer', label: 'Read the tickets of a customer', risk: 'read' },
      'invoices:read': { type: 'customer', label: 'Read the invoices of a customer', risk: 'read' },
      'invoices:refund': { type: 'customer', label: 'Refund invoices of a customer', risk: 'dangerous' },
      'files:read': { label: 'Read shared files', risk: 'read' },
      'files:write': { label: 'Write shared files', risk: 'write' },
    },
    roles: {
      'support-agent': { permissions: ['tickets:read', 'invoices:read', 'files:read'] },
      'invoice-reader': { type: 'customer', permissions: ['invoices:read'] },
      'billing-analyst': { permissions: ['invoices:read', 'invoices:refund'] },
      'file-keeper': { permissions: ['files:read', 'files:write'] },
    },
    servers: {
      billing: { url: billing.url, mode: 'enforce', tools: rules(BILLING, billing.offer) },
      ...(files && { files: { url: files.url, mode: 'enforce', tools: rules(FILES, files.offer) } }),
    },
    agents: {
      'support-bot': agent(
        'maya@northwind.dev',
        'Answers tickets',
        ['tickets:read', 'invoices:*', 'files:*'],
        ['support-agent'],
      ),
      'billing-analyst': agent('jon@northwind.dev', 'Checks invoices', ['invoices:*'], ['billing-analyst']),
      'file-keeper': agent('jon@northwind.dev', 'Keeps the shared files', ['files:*'], ['file-keeper']),
      'research-agent': agent('maya@northwind.dev', 'Reads and summarises', ['invoices:read'], []),
    },
    assignments: [{ to: 'agent:research-agent', role: 'invoice-reader', on: 'customer/acme' }],
    delegations: [
      {
        ...{ from: 'agent:support-bot', to: 'agent:billing-analyst', scopes: ['invoices:read'] },
        beyond: ['invoices:refund'],
      },
    ],
  }
}

function agent(owner: string, purpose: string, ceiling: string[], roles: string[]): JsonObject {
  return { owner, purpose, kind: 'both', ceiling, roles }
}

/** The rules as a policy names them, each pinned to the tool's definition. */
function rules(wanted: Record<string, Rule>, offer: ServerOffer): JsonObject {
  const pinned: JsonObject = {}
  for (const { kind, name, definition, inputSchema } of toDefinitions(offer)) {
    const rule = kind === 'tool' ? wanted[name] : undefined
    if (rule && definition && inputSchema)
      pinned[name] = { ...rule, definition, input: inputSchema } as JsonObject
  }
  return pinned
}
