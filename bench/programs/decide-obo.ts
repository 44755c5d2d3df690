import { CATALOGUE, type CatalogueOp, type OrganizationOp, type ToolFact } from '@valetkey/sdk/core'
import { createSnapshot, type DecisionRequest, decide, type Snapshot } from '@valetkey/sdk/engine'
import { serve } from '../child.ts'
import { eachMicros, median, pseudoRandom, quantile } from '../measure.ts'
import { createOracle, within } from '../questions.ts'
import { catalogueOps, growTree, type Node, ORGANIZATION, organizationOps, pick, type Tree } from '../tree.ts'

const RESOURCES = 100_000
const AGENTS = 1_000
const WORKSPACES_EACH = 3
/** As many tokens as a point remembers: with another one it first checks a signature, which takes longer than all of this. */
const CALLERS = 10_000
const WARM_UP = 20_000
const REQUESTS = 40_000
const NOW = 1_800_000_000_000
const SCOPES = ['document:*']

/** The rule's weight: the walk alone (a prompt has no schema), with the schema, with schema and condition. */
const WEIGHTS = { walk: 'read_document', schema: 'get_document', condition: 'get_document_if' } as const
export type Weight = keyof typeof WEIGHTS

interface Agent {
  id: string
  seq: number
  workspaces: Node[]
}

export interface OnBehalf {
  p50: number
  p99: number
  permitted: number
  wrong: number
}

/** Who asks for whom, as the guard keeps it with a token that it has seen, and with which arguments. */
interface Asked {
  caller: DecisionRequest['caller']
  /** As JSON. */
  args: string
}

/** What is measured: the three weights with as many callers as a point remembers, and the walk with a caller for each call. */
export type Measured = Record<Weight | 'strangers', OnBehalf>

/** Decisions for agents that act for people, on documents that the arguments name: half fail at the person's leg. */
function decideAll(): Measured {
  const tree = growTree(RESOURCES)
  const agents = hire(tree)
  const known = stage(tree, agents, CALLERS)
  const strangers = stage(tree, agents, Number.POSITIVE_INFINITY)
  return {
    walk: measure(known, 'walk'),
    schema: measure(known, 'schema'),
    condition: measure(known, 'condition'),
    strangers: measure(strangers, 'walk'),
  }
}

interface Stage {
  snapshot: Snapshot
  asked: readonly Asked[]
  permitted: readonly boolean[]
}

function stage(tree: Tree, agents: readonly Agent[], mostCallers: number): Stage {
  const { asked, permitted, grants } = makeRequests(tree, agents, mostCallers)
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: [...catalogueOps(), ...rules()] })
  const ops = [...organizationOps(tree), ...agents.flatMap(agentOps), ...grants]
  snapshot.load({ organization: ORGANIZATION, revision: 1, ops })
  return { snapshot, asked, permitted }
}

function measure({ snapshot, asked, permitted }: Stage, weight: Weight): OnBehalf {
  const ready = (one: Asked) => toRequest(one, weight)
  for (const one of asked.slice(0, WARM_UP)) decide(ready(one), snapshot)
  const answers: boolean[] = []
  const micros = eachMicros(
    asked.slice(WARM_UP),
    ready,
    request => void answers.push(decide(request, snapshot).decision === 'permit'),
  )
  return {
    p50: median(micros),
    p99: quantile(micros, 0.99),
    permitted: answers.filter(Boolean).length / answers.length,
    wrong: answers.filter((answer, i) => answer !== permitted[i + WARM_UP]).length,
  }
}

/** As the guard puts it together: what the token says is known from the call before, the arguments were just parsed. */
function toRequest({ caller, args }: Asked, weight: Weight): DecisionRequest {
  return {
    ...{ id: 'dec_1', now: NOW, server: 'srv_1', caller },
    action: {
      kind: weight === 'walk' ? 'prompt' : 'tool',
      name: WEIGHTS[weight],
      arguments: JSON.parse(args),
      definition: 'sha256-a',
    },
  }
}

function rules(): CatalogueOp[] {
  const server = { id: 'srv_1', name: 's', url: 'https://s.example/mcp' }
  const rule = {
    ...({ server: 'srv_1', permission: 'document:read', risk: 'read', mode: null } as const),
    resource: 'project/{args.project}/document/{args.id}',
  }
  const inputSchema = {
    type: 'object',
    properties: { project: { type: 'string' }, id: { type: 'string' }, pages: { type: 'number' } },
    required: ['project', 'id'],
  }
  const op = (
    id: string,
    name: string,
    more: Omit<ToolFact, 'id' | 'name' | keyof typeof rule>,
  ): CatalogueOp => {
    return { fact: 'tool', id, value: { ...rule, ...more, id, name } }
  }
  const tool = { kind: 'tool', definition: 'sha256-a', inputSchema } as const
  const { walk, schema, condition } = WEIGHTS
  return [
    { fact: 'server', id: 'srv_1', value: { ...server, mode: 'enforce', status: 'active' } },
    op('t1', walk, { kind: 'prompt', definition: null, inputSchema: null, condition: null }),
    op('t2', schema, { ...tool, condition: null }),
    op('t3', condition, { ...tool, condition: 'args.pages <= 100.0' }),
  ]
}

function hire({ nodes, people }: Tree): Agent[] {
  const random = pseudoRandom(5)
  const workspaces = nodes.filter(({ type }) => type === 'workspace')
  return Array.from({ length: AGENTS }, (_, i) => ({
    id: `agt_${i}`,
    seq: people.length + 1_000 + i,
    workspaces: Array.from({ length: WORKSPACES_EACH }, () => pick(workspaces, random)),
  }))
}

function agentOps({ id, seq, workspaces }: Agent): OrganizationOp[] {
  const given = workspaces.map((workspace, i): OrganizationOp => {
    const value = {
      ...{ id: `asg_${id}_${i}`, principal: seq, resource: workspace.seq, role: 'rol_workspace-viewer' },
      ...({ source: 'direct', expiresAt: null, createdBy: 'usr_0' } as const),
    }
    return { fact: 'assignment', id: value.id, value }
  })
  return [
    { fact: 'principal', id, value: { id, seq, kind: 'agent', name: id, status: 'active' } },
    {
      fact: 'agent',
      id,
      value: { id, principal: id, owner: 'usr_0', kind: 'both', ceiling: ['document:*'] },
    },
    { fact: 'credential', id: `crd_${id}`, value: { id: `crd_${id}`, agent: id, expiresAt: null } },
    ...given,
  ]
}

/** Requests on documents that the agent may read; the person may read every other one. */
function makeRequests(tree: Tree, agents: readonly Agent[], mostCallers: number) {
  const random = pseudoRandom(9)
  const oracle = createOracle(tree)
  const documents = tree.nodes.filter(({ type }) => type === 'document')
  const byWorkspace = Map.groupBy(
    agents.flatMap(agent => agent.workspaces.map(workspace => ({ agent, workspace }))),
    ({ workspace }) => workspace,
  )
  const grants: OrganizationOp[] = []
  const callers = new Map<string, DecisionRequest['caller']>()
  const asked: Asked[] = []
  const permitted: boolean[] = []
  while (asked.length < WARM_UP + REQUESTS) {
    const isPermitted = asked.length % 2 === 0
    const person = pick(tree.people, random)
    const document = isPermitted ? within(tree, person, 'document', random) : pick(documents, random)
    const project = document?.parent
    const workspace = project?.parent
    const able = workspace ? byWorkspace.get(workspace) : undefined
    if (!document || !project || !workspace || !able) continue
    if (oracle(person, 'document:read', document) !== isPermitted) continue
    const { agent } = pick(able, random)
    const grant = grantOp(agent, person)
    if (!callers.has(grant.id)) {
      if (callers.size === mostCallers) continue
      grants.push(parsed(grant))
      callers.set(grant.id, parsed(callerOf(agent.id, person, grant.id)))
    }
    const args = JSON.stringify({ project: project.id, id: document.id, pages: 5 })
    asked.push({ caller: callers.get(grant.id) as DecisionRequest['caller'], args })
    permitted.push(isPermitted)
  }
  return { asked, permitted, grants }
}

/** With strings as they arrive, in a token or over the feed: one that was put together here is slower to compare. */
function parsed<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}

function callerOf(agent: string, person: string, grant: string): DecisionRequest['caller'] {
  return {
    ...{ organization: ORGANIZATION, agent, credential: `crd_${agent}`, client: agent, token: 'jti_1' },
    ...{ scopes: SCOPES, expiresAt: NOW + 60_000, person, grant, chain: [] },
  }
}

function grantOp(agent: Agent, person: string): OrganizationOp {
  const id = `gnt_${agent.id}_${person}`
  const resources = agent.workspaces.map(({ seq }) => seq)
  const value = { id, agent: agent.id, person, scopes: ['document:*'], resources, expiresAt: null }
  return { fact: 'grant', id, value }
}

serve(decideAll())
