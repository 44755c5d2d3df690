import { CATALOGUE, type CatalogueOp, type OrganizationOp, type ToolFact } from '@valetkey/sdk/core'
import { createSnapshot, type DecisionRequest, decide, type Snapshot } from '@valetkey/sdk/engine'
import { eachMicros, median, pseudoRandom, quantile } from './measure.ts'
import { createOracle, within } from './questions.ts'
import { catalogueOps, growTree, type Node, ORGANIZATION, organizationOps, pick, type Tree } from './tree.ts'

const RESOURCES = 100_000
const AGENTS = 1_000
const WORKSPACES_EACH = 3
const WARM_UP = 20_000
const REQUESTS = 40_000
const NOW = 1_800_000_000_000

/** The rule's weight: the walk alone (a prompt has no schema), with the schema, with schema and condition. */
const WEIGHTS = { walk: 'read_document', schema: 'get_document', condition: 'get_document_if' } as const
type Weight = keyof typeof WEIGHTS

interface Agent {
  id: string
  seq: number
  workspaces: Node[]
}

interface Figures {
  p50: number
  p99: number
  permitted: number
  wrong: number
}

/** Decisions for agents that act for people, on documents that the arguments name: half fail at the person's leg. */
export function decideOnBehalf(): Record<Weight, Figures> {
  const tree = growTree(RESOURCES)
  const agents = hire(tree)
  const { requests, permitted, grants } = makeRequests(tree, agents)
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: [...catalogueOps(), ...rules()] })
  const ops = [...organizationOps(tree), ...agents.flatMap(agentOps), ...grants]
  snapshot.load({ organization: ORGANIZATION, revision: 1, ops })
  const figures = (weight: Weight) => measure(snapshot, requests, permitted, weight)
  return { walk: figures('walk'), schema: figures('schema'), condition: figures('condition') }
}

function measure(
  snapshot: Snapshot,
  requests: readonly DecisionRequest[],
  permitted: readonly boolean[],
  weight: Weight,
): Figures {
  const kind = weight === 'walk' ? 'prompt' : 'tool'
  const asked = requests.map(({ action, ...rest }) => ({
    ...rest,
    action: { ...action, kind, name: WEIGHTS[weight] },
  })) as DecisionRequest[]
  // As from tokens and messages: with strings that nobody has looked up before.
  const fresh = JSON.parse(JSON.stringify(asked)) as DecisionRequest[]
  for (const request of fresh.slice(0, WARM_UP)) decide(request, snapshot)
  const answers: boolean[] = []
  const micros = eachMicros(
    fresh.slice(WARM_UP),
    request => void answers.push(decide(request, snapshot).decision === 'permit'),
  )
  return {
    p50: median(micros),
    p99: quantile(micros, 0.99),
    permitted: answers.filter(Boolean).length / answers.length,
    wrong: answers.filter((answer, i) => answer !== permitted[i + WARM_UP]).length,
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
    { fact: 'agent', id, value: { id, principal: id, owner: 'usr_0', kind: 'both', ceiling: ['*'] } },
    { fact: 'credential', id: `crd_${id}`, value: { id: `crd_${id}`, agent: id, expiresAt: null } },
    ...given,
  ]
}

/** Requests on documents that the agent may read; the person may read every other one. */
function makeRequests(tree: Tree, agents: readonly Agent[]) {
  const random = pseudoRandom(9)
  const oracle = createOracle(tree)
  const documents = tree.nodes.filter(({ type }) => type === 'document')
  const byWorkspace = Map.groupBy(
    agents.flatMap(agent => agent.workspaces.map(workspace => ({ agent, workspace }))),
    ({ workspace }) => workspace,
  )
  const grants = new Map<string, OrganizationOp>()
  const requests: DecisionRequest[] = []
  const permitted: boolean[] = []
  while (requests.length < WARM_UP + REQUESTS) {
    const isPermitted = requests.length % 2 === 0
    const person = pick(tree.people, random)
    const document = isPermitted ? within(tree, person, 'document', random) : pick(documents, random)
    const project = document?.parent
    const workspace = project?.parent
    const able = workspace ? byWorkspace.get(workspace) : undefined
    if (!document || !project || !workspace || !able) continue
    if (oracle(person, 'document:read', document) !== isPermitted) continue
    const { agent } = pick(able, random)
    const grant = grantOp(agent, person)
    grants.set(grant.id, grant)
    requests.push(requestFor(agent, person, grant.id, { project: project.id, id: document.id, pages: 5 }))
    permitted.push(isPermitted)
  }
  return { requests, permitted, grants: [...grants.values()] }
}

function grantOp(agent: Agent, person: string): OrganizationOp {
  const id = `gnt_${agent.id}_${person}`
  const resources = agent.workspaces.map(({ seq }) => seq)
  const value = { id, agent: agent.id, person, scopes: ['document:*'], resources, expiresAt: null }
  return { fact: 'grant', id, value }
}

function requestFor(
  { id: agent }: Agent,
  person: string,
  grant: string,
  args: DecisionRequest['action']['arguments'],
): DecisionRequest {
  return {
    ...{ id: 'dec_1', now: NOW, server: 'srv_1' },
    caller: {
      ...{ organization: ORGANIZATION, agent, credential: `crd_${agent}`, client: agent },
      ...{ token: 'jti_1', scopes: ['document:*'], expiresAt: NOW + 60_000, person, grant, chain: [] },
    },
    action: { kind: 'prompt', name: '', arguments: args, definition: 'sha256-a' },
  }
}
