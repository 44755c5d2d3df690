import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '../../core/index.ts'
import { type Caller, createSnapshot, type DecisionRequest, decide, type Snapshot } from '../index.ts'

export const NOW = 1_800_000_000_000
export const ORG = 'org_1'

const tool = (name: string, more: object) =>
  ({
    ...{ id: `tol_${name}`, server: 'srv_1', kind: 'prompt', name, permission: 'p:read', definition: null },
    ...{ inputSchema: null, resource: null, condition: null, risk: 'read', mode: null, ...more },
  }) as const

const catalogue: CatalogueOp[] = [
  {
    fact: 'server',
    id: 'srv_1',
    value: { id: 'srv_1', name: 's', url: 'https://s.test/mcp', mode: 'enforce', status: 'active' },
  },
  {
    fact: 'permission',
    id: 'prm_1',
    value: { id: 'prm_1', slug: 'p:read', type: 'organization', bit: 0, risk: 'read', condition: null },
  },
  {
    fact: 'permission',
    id: 'prm_2',
    value: {
      ...{ id: 'prm_2', slug: 'p:own', type: 'organization', bit: 1, risk: 'read' },
      condition: 'subject.type == "user" && subject.id == "usr_1"',
    },
  },
  {
    fact: 'resource_type',
    id: 'rty_1',
    value: { id: 'rty_1', slug: 'customer', parents: ['organization'], instances: 'registered' },
  },
  {
    fact: 'role',
    id: 'rol_1',
    value: { id: 'rol_1', slug: 'r', type: 'organization', permissions: ['p:read', 'p:own'] },
  },
  ...[
    tool('t', {}),
    tool('of', { resource: 'customer/{args.id}' }),
    tool('some', { resource: 'customer/*' }),
    tool('shut', { frozen: true }),
    tool('watched', { mode: 'audit' }),
    tool('watched-shut', { mode: 'audit', frozen: true }),
    tool('own', { permission: 'p:own' }),
  ].map((value): CatalogueOp => ({ fact: 'tool', id: value.id, value: value as never })),
]

export const principal = (id: string, seq: number, more: object = {}) =>
  op('principal', id, { id, seq, kind: id.startsWith('usr') ? 'user' : 'agent', name: id, ...alive, ...more })
const alive = { status: 'active' }
export const credential = (id: string, agent: string, more: object = {}) =>
  op('credential', id, { id, agent, expiresAt: null, ...more })
export const link = (id: string, more: object = {}) => {
  const [from, to] = id === 'lnk_1' ? ['agt_1', 'agt_2'] : ['agt_2', 'agt_3']
  const [parent, hops] = id === 'lnk_1' ? [null, 2] : ['lnk_1', 1]
  return op('link', id, {
    ...{ id, from, to, parent, hops, grant: null, credential: from.replace('agt', 'crd') },
    ...{ scopes: ['p:*'], resources: [1], condition: null, expiresAt: NOW + 1000 },
    ...more,
  })
}
export const agent = (id: string, owner: string, ceiling = ['p:*']) =>
  op('agent', id, { id, principal: id, owner, kind: 'both', ceiling })
export const assignment = (who: number, resource = 1) =>
  op('assignment', `asg_${who}`, {
    ...{ id: `asg_${who}`, principal: who, resource, role: 'rol_1', source: 'direct' },
    ...{ expiresAt: null, createdBy: 'usr_1' },
  })

export function op(fact: string, id: string, value: object | null): OrganizationOp {
  return { fact, id, value } as OrganizationOp
}

/** Agent 1 lets agent 2 act, and that one agent 3; each holds the permission itself. Agent 1 has an owner of its own. */
export function world(...changes: OrganizationOp[]): Snapshot {
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogue })
  const ops: OrganizationOp[] = [
    op('organization', ORG, { id: ORG, slug: 'o', status: 'active' }),
    op('resource', '1', { type: 'organization', rows: [[1, 'o', null]] }),
    op('resource', '2', {
      type: 'rty_1',
      rows: [
        [2, 'acme', 1],
        [3, 'globex', 1],
      ],
    }),
    ...[principal('usr_1', 1), principal('usr_2', 5)],
    ...[principal('agt_1', 2), principal('agt_2', 3), principal('agt_3', 4)],
    ...[agent('agt_1', 'usr_2'), agent('agt_2', 'usr_1'), agent('agt_3', 'usr_1')],
    ...[1, 2, 3].map(n => credential(`crd_${n}`, `agt_${n}`)),
    ...[1, 2, 3, 4].map(who => assignment(who)),
    ...[link('lnk_1'), link('lnk_2')],
  ]
  snapshot.load({ organization: ORG, revision: 1, ops })
  snapshot.apply({ organization: ORG, revision: 2, ops: changes })
  return snapshot
}

const last: Caller = {
  ...{ organization: ORG, agent: 'agt_3', credential: 'crd_3', client: 'c', token: 'jti_1' },
  ...{ scopes: ['p:*'], expiresAt: NOW + 1000, person: null, grant: null, chain: ['lnk_1', 'lnk_2'] },
}

export const ask = (more: Partial<Caller> = {}, name = 't', args = {}): DecisionRequest => ({
  ...{ id: 'dec_1', now: NOW, server: 'srv_1', caller: { ...last, ...more } },
  action: { kind: 'prompt', name, arguments: args, definition: null },
})

export const said = (snapshot: Snapshot, more: Partial<Caller> = {}, name?: string, args?: object) => {
  const { reason, detail } = decide(ask(more, name, args), snapshot)
  return [reason, detail]
}
