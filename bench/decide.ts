import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '@valetkey/sdk/core'
import { createSnapshot, type DecisionRequest, decide, type Snapshot } from '@valetkey/sdk/engine'
import { startChild } from './child.ts'
import type { Result } from './main.ts'
import { median, pseudoRandom, quantile, sampleMicros } from './measure.ts'
import type { Measured } from './programs/decide-obo.ts'

const TOOLS = 1_000
const ROLES = 200
const AGENTS = 10_000
const PERMISSIONS = 400
const CUSTOMERS = 1_000
const NOW = 1_800_000_000_000
const ORG = 'org_1'

const inputSchema = {
  type: 'object',
  properties: { customer: { type: 'string' }, amount: { type: 'number' } },
  required: ['customer', 'amount'],
}

/** Rules of three weights: the walk alone (a prompt has no schema), with the schema, with schema and condition. */
function catalogue(): CatalogueOp[] {
  const ops: CatalogueOp[] = [
    {
      fact: 'resource_type',
      id: 'rty_1',
      value: { id: 'rty_1', slug: 'customer', parents: ['organization'], instances: 'registered' },
    },
    {
      fact: 'server',
      id: 'srv_1',
      value: { id: 'srv_1', name: 's', url: 'https://s.example/mcp', mode: 'enforce', status: 'active' },
    },
  ]
  for (let i = 0; i < PERMISSIONS; i++) {
    const value = {
      id: `prm_${i}`,
      slug: `p:${i}`,
      type: 'rty_1',
      bit: i,
      risk: 'read',
      condition: null,
    } as const
    ops.push({ fact: 'permission', id: value.id, value })
  }
  for (let i = 0; i < TOOLS; i++) {
    const rule = {
      server: 'srv_1',
      permission: `p:${i % PERMISSIONS}`,
      resource: 'customer/{args.customer}',
      risk: 'read',
      mode: null,
    } as const
    const tool = { ...rule, kind: 'tool', definition: 'sha256-a', inputSchema } as const
    ops.push(
      {
        fact: 'tool',
        id: `w${i}`,
        value: {
          ...rule,
          id: `w${i}`,
          kind: 'prompt',
          name: `t${i}`,
          definition: null,
          inputSchema: null,
          condition: null,
        },
      },
      { fact: 'tool', id: `s${i}`, value: { ...tool, id: `s${i}`, name: `t${i}`, condition: null } },
      {
        fact: 'tool',
        id: `c${i}`,
        value: { ...tool, id: `c${i}`, name: `c${i}`, condition: 'args.amount <= 100.0' },
      },
    )
  }
  for (let i = 0; i < ROLES; i++) {
    const permissions = Array.from({ length: 20 }, (_, j) => `p:${(i * 2 + j) % PERMISSIONS}`)
    ops.push({
      fact: 'role',
      id: `rol_${i}`,
      value: { id: `rol_${i}`, slug: `r${i}`, type: 'organization', permissions },
    })
  }
  return ops
}

function organization(): OrganizationOp[] {
  const ops: OrganizationOp[] = [
    { fact: 'organization', id: ORG, value: { id: ORG, slug: 'o', status: 'active' } },
    { fact: 'resource', id: '1', value: { type: 'organization', rows: [[1, 'o', null]] } },
    {
      fact: 'resource',
      id: '2',
      value: {
        type: 'rty_1',
        rows: Array.from({ length: CUSTOMERS }, (_, i) => [i + 2, `customer-${i}`, 1]),
      },
    },
    {
      fact: 'principal',
      id: 'usr_1',
      value: { id: 'usr_1', seq: 1, kind: 'user', name: 'u', status: 'active' },
    },
  ]
  for (let i = 0; i < AGENTS; i++) {
    const id = `agt_${i}`
    const assignment = {
      principal: i + 2,
      resource: 1,
      source: 'direct',
      expiresAt: null,
      createdBy: 'usr_1',
    } as const
    ops.push(
      { fact: 'principal', id, value: { id, seq: i + 2, kind: 'agent', name: `a${i}`, status: 'active' } },
      {
        fact: 'agent',
        id,
        value: { id, principal: id, owner: 'usr_1', kind: 'autonomous', ceiling: ['p:*'] },
      },
      { fact: 'credential', id: `crd_${i}`, value: { id: `crd_${i}`, agent: id, expiresAt: null } },
    )
    for (const role of [i % ROLES, (i * 7 + 3) % ROLES])
      ops.push({
        fact: 'assignment',
        id: `asg_${i}_${role}`,
        value: { ...assignment, id: `asg_${i}_${role}`, role: `rol_${role}` },
      })
  }
  return ops
}

/** Requests made beforehand: the bench measures deciding, not making up calls. Half are permitted. */
function requests(kind: 'prompt' | 'tool', prefix: string): DecisionRequest[] {
  const random = pseudoRandom(1)
  return Array.from({ length: 4_096 }, (_, n) => {
    const agent = Math.floor(random() * AGENTS)
    const permission = n % 2 === 0 ? (agent % ROLES) * 2 : Math.floor(random() * TOOLS)
    return {
      id: 'dec_1',
      now: NOW,
      server: 'srv_1',
      caller: {
        organization: ORG,
        agent: `agt_${agent}`,
        credential: `crd_${agent}`,
        client: `agt_${agent}`,
        token: `jti_${n}`,
        scopes: ['p:*'],
        expiresAt: NOW + 60_000,
        person: null,
        grant: null,
        chain: [],
      },
      action: {
        kind,
        name: `${prefix}${permission}`,
        arguments: { customer: `customer-${n % CUSTOMERS}`, amount: 5 },
        definition: 'sha256-a',
      },
    }
  })
}

function measure(
  snapshot: Snapshot,
  list: DecisionRequest[],
): { p50: number; p99: number; permitted: number } {
  const samples = sampleMicros(2_000, 200, i => void decide(list[i & 4_095] as DecisionRequest, snapshot))
  const permitted =
    list.filter(request => decide(request, snapshot).decision === 'permit').length / list.length
  return { p50: median(samples), p99: quantile(samples, 0.99), permitted }
}

export async function run(): Promise<Result> {
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogue() })
  snapshot.load({ organization: ORG, revision: 1, ops: organization() })
  const walk = measure(snapshot, requests('prompt', 't'))
  const schema = measure(snapshot, requests('tool', 't'))
  const condition = measure(snapshot, requests('tool', 'c'))
  const child = await startChild<Measured>('decide-obo')
  const obo = child.ready
  await child.stop()
  return {
    figures: { p50_us: walk.p50, obo_p50_us: obo.walk.p50 },
    stages: {
      walk_p99_us: walk.p99,
      permitted_share: walk.permitted,
      schema_adds_us: schema.p50 - walk.p50,
      condition_adds_us: condition.p50 - schema.p50,
      everything_p50_us: condition.p50,
      obo_p99_us: obo.walk.p99,
      obo_permitted_share: obo.walk.permitted,
      obo_wrong: obo.walk.wrong + obo.schema.wrong + obo.condition.wrong + obo.strangers.wrong,
      obo_strangers_p50_us: obo.strangers.p50,
      obo_schema_adds_us: obo.schema.p50 - obo.walk.p50,
      obo_condition_adds_us: obo.condition.p50 - obo.schema.p50,
      obo: 'an agent for a person, on one of 100,000 resources; 10,000 callers, as many as a point remembers; the clock included',
      obo_strangers: 'every call from another of 60,000 callers',
    },
  }
}
