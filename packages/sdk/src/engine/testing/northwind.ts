import {
  CATALOGUE,
  type CatalogueOp,
  type GrantFact,
  type Mode,
  type OrganizationOp,
  type ResourceRow,
} from '../../core/index.ts'
import { createSnapshot, type DecisionRequest, decide } from '../index.ts'
import { assignment, BOT, mayaAndHerBot, requestOfBot } from './facts.ts'

export { BOT, MAYA, NOW } from './facts.ts'

function type(slug: string, parents: string[], instances: 'registered' | 'open' = 'registered'): CatalogueOp {
  return { fact: 'resource_type', id: `rty_${slug}`, value: { id: `rty_${slug}`, slug, parents, instances } }
}

function role(slug: string, of: string, permissions: string[]): CatalogueOp {
  return { fact: 'role', id: `rol_${slug}`, value: { id: `rol_${slug}`, slug, type: of, permissions } }
}

function tool(name: string, permission: string, resource: string | null): CatalogueOp {
  const rest = { definition: null, inputSchema: null, condition: null, risk: 'read', mode: null } as const
  const value = { id: name, server: 'srv_1', kind: 'prompt', name, permission, resource, ...rest } as const
  return { fact: 'tool', id: name, value }
}

export function server(mode: Mode): CatalogueOp {
  const value = { id: 'srv_1', name: 'desk', url: 'https://d.example/mcp', mode, status: 'active' } as const
  return { fact: 'server', id: 'srv_1', value }
}

const catalogue: CatalogueOp[] = [
  {
    fact: 'permission',
    id: 'prm_invoice_read',
    value: {
      id: 'prm_invoice_read',
      slug: 'invoice:read',
      type: 'rty_invoice',
      bit: 0,
      risk: 'read',
      condition: null,
    },
  },
  {
    fact: 'permission',
    id: 'prm_customer_read',
    value: {
      id: 'prm_customer_read',
      slug: 'customer:read',
      type: 'rty_customer',
      bit: 0,
      risk: 'read',
      condition: null,
    },
  },
  {
    fact: 'permission',
    id: 'prm_file_read',
    value: {
      id: 'prm_file_read',
      slug: 'file:read',
      type: 'rty_file',
      bit: 0,
      risk: 'read',
      condition: null,
    },
  },
  server('enforce'),
  type('customer', ['organization']),
  type('invoice', ['rty_customer']),
  type('ticket', ['rty_customer']),
  type('file', ['organization', 'rty_customer'], 'open'),
  role('reader', 'rty_customer', ['invoice:read', 'customer:read', 'file:read']),
  role('auditor', 'organization', ['invoice:read', 'file:read']),
  role('payer', 'rty_invoice', ['invoice:pay']),
  {
    fact: 'permission',
    id: 'prm_pay',
    value: {
      id: 'prm_pay',
      slug: 'invoice:pay',
      type: 'rty_invoice',
      bit: 0,
      risk: 'dangerous',
      condition: 'action.properties.amount < 100',
    },
  },
  tool('get_invoice', 'invoice:read', 'customer/{args.customer}/invoice/{args.id}'),
  tool('get_by_id', 'invoice:read', 'invoice/{args.id}'),
  tool('get_many', 'invoice:read', 'invoice/{args.ids}'),
  tool('get_items', 'invoice:read', 'invoice/{args.items.*.id}'),
  tool('list_invoices', 'invoice:read', 'invoice/*'),
  tool('list_of_customer', 'invoice:read', 'customer/{args.customer}/invoice/*'),
  tool('pay', 'invoice:pay', 'invoice/{args.id}'),
  tool('export_all', 'invoice:read', null),
  tool('read_file', 'file:read', 'file/{args.path}'),
  tool('read_customer_file', 'file:read', 'customer/{args.customer}/file/{args.path}'),
]

export const ACME = 2
export const GLOBEX = 3
const rows: Record<string, readonly ResourceRow[]> = {
  organization: [[1, 'northwind', null]],
  rty_customer: [
    [ACME, 'acme', 1],
    [GLOBEX, 'globex', 1],
  ],
  rty_invoice: [
    [4, 'INV-1', ACME],
    [5, 'INV-2', GLOBEX],
    [6, 'a/b', ACME],
  ],
}

export function assign(
  to: number,
  slug: string,
  resource: number,
  expiresAt: number | null = null,
): OrganizationOp {
  return assignment(`asg_${to}_${slug}_${resource}`, {
    principal: to,
    resource,
    role: `rol_${slug}`,
    expiresAt,
  })
}

/** Maya of Northwind, the agent that she owns, two customers with an invoice each, and what is added. */
export function northwind(...more: OrganizationOp[]) {
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogue })
  const ops: OrganizationOp[] = [
    ...mayaAndHerBot({ kind: 'both', ceiling: ['invoice:*', 'file:*'] }),
    ...Object.entries(rows).map(
      ([of, list]): OrganizationOp => ({
        fact: 'resource',
        id: String(list[0]?.[0]),
        value: { type: of, rows: list },
      }),
    ),
    ...more,
  ]
  snapshot.load({ organization: 'org_1', revision: 1, ops })
  return snapshot
}

export const grant = (
  resources: number[],
  scopes = ['invoice:*'],
  expiresAt: number | null = null,
  more: Partial<GrantFact> = {},
): OrganizationOp => ({
  fact: 'grant',
  id: 'gnt_1',
  value: { id: 'gnt_1', agent: 'agt_1', person: 'usr_1', scopes, resources, expiresAt, ...more },
})

/** A call of the agent by itself, unless the caller says otherwise. */
export function call(
  name: string,
  args: DecisionRequest['action']['arguments'] = {},
  caller: Partial<DecisionRequest['caller']> = {},
): DecisionRequest {
  const scopes = ['invoice:*', 'file:*']
  return requestOfBot({ kind: 'prompt', name, arguments: args, definition: null }, { scopes, ...caller })
}

export const forMaya = { person: 'usr_1', grant: 'gnt_1' }
export const onAcme = northwind(assign(BOT, 'reader', ACME))
export const reasonOf = (request: DecisionRequest, snapshot = onAcme) => decide(request, snapshot).reason
