import { CATALOGUE, type CatalogueOp, type Change, newId, type OrganizationOp } from '@valetkey/sdk/core'
import { createSnapshot, type DecisionRequest, decide, type Snapshot } from '@valetkey/sdk/engine'
import { serve } from '../child.ts'
import { median, sampleMicros } from '../measure.ts'

/** What 100,000 revoked tokens that have not expired cost a call more than none, and the memory that they take. */
export interface RevocationCost {
  callUs: number
  megabytes: number
}

const LIVE = 100_000
const ORGANIZATION = 'org_1'
const NOW = Date.now()

const catalogue: CatalogueOp[] = [
  {
    ...{ fact: 'permission', id: 'prm_1' },
    value: { id: 'prm_1', slug: 'a:read', type: 'organization', bit: 0, risk: 'read', condition: null },
  },
  {
    ...{ fact: 'server', id: 'srv_1' },
    value: { id: 'srv_1', name: 's', url: 'https://s/mcp', mode: 'enforce', status: 'active' },
  },
  {
    fact: 'role',
    id: 'rol_1',
    value: { id: 'rol_1', slug: 'r', type: 'organization', permissions: ['a:read'] },
  },
  {
    ...{ fact: 'tool', id: 'tol_1' },
    value: {
      ...{ id: 'tol_1', server: 'srv_1', kind: 'prompt', name: 'report', permission: 'a:read', risk: 'read' },
      ...{ definition: null, inputSchema: null, resource: null, condition: null, mode: null },
    },
  },
]
const organization: OrganizationOp[] = [
  { fact: 'organization', id: ORGANIZATION, value: { id: ORGANIZATION, slug: 'o', status: 'active' } },
  {
    fact: 'principal',
    id: 'usr_1',
    value: { id: 'usr_1', seq: 1, kind: 'user', name: 'u', status: 'active' },
  },
  {
    fact: 'principal',
    id: 'agt_1',
    value: { id: 'agt_1', seq: 2, kind: 'agent', name: 'a', status: 'active' },
  },
  {
    ...{ fact: 'agent', id: 'agt_1' },
    value: { id: 'agt_1', principal: 'agt_1', owner: 'usr_1', kind: 'autonomous', ceiling: ['a:*'] },
  },
  { fact: 'credential', id: 'crd_1', value: { id: 'crd_1', agent: 'agt_1', expiresAt: null } },
  { fact: 'resource', id: '1', value: { type: 'organization', rows: [[1, 'o', null]] } },
  {
    ...{ fact: 'assignment', id: 'asg_1' },
    value: {
      ...{ id: 'asg_1', principal: 2, resource: 1, role: 'rol_1', source: 'direct' },
      ...{ expiresAt: null, createdBy: 'usr_1' },
    },
  },
]

function open(): Snapshot {
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogue })
  snapshot.load({ organization: ORGANIZATION, revision: 1, ops: organization })
  return snapshot
}

/** Takes tokens back one by one, as they come over the feed. */
function revokeMany(snapshot: Snapshot): void {
  for (let i = 0; i < LIVE; i++) {
    const id = newId('accessToken')
    const ops: OrganizationOp[] = [{ fact: 'revoked_token', id, value: { id, expiresAt: NOW + 900_000 } }]
    const change = { organization: ORGANIZATION, revision: i + 2, ops }
    // As they are read from the wire: texts that were put together take more room.
    snapshot.apply(JSON.parse(JSON.stringify(change)) as Change)
  }
}

function bytesUsed(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Every call with a token of its own, as calls have it. */
const requests: DecisionRequest[] = Array.from({ length: 1_000 }, () => ({
  ...{ id: 'dec_1', now: NOW, server: 'srv_1' },
  caller: {
    ...{ organization: ORGANIZATION, agent: 'agt_1', credential: 'crd_1', client: 'agt_1' },
    ...{ token: newId('accessToken'), scopes: ['a:*'], expiresAt: NOW + 900_000 },
    ...{ person: null, grant: null, chain: [] },
  },
  action: { kind: 'prompt', name: 'report', arguments: {}, definition: null },
}))

const [none, many] = [open(), open()]
const before = bytesUsed()
revokeMany(many)
const megabytes = (bytesUsed() - before) / 2 ** 20
const micros = (snapshot: Snapshot) =>
  median(
    sampleMicros(40, 1_000, i => {
      const request = requests[i % requests.length] as DecisionRequest
      if (decide(request, snapshot).decision !== 'permit') throw new Error('refused')
    }),
  )
const differences: number[] = []
for (let round = 0; round < 21; round++) {
  const [without, with_] = [micros(none), micros(many)]
  if (round > 3) differences.push(with_ - without)
}
serve({ callUs: median(differences), megabytes } satisfies RevocationCost)
