import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { DefinitionsRequest, JsonObject, Risk } from '@valetkey/sdk/core'
import type { MapName } from '../../../policy/index.ts'
import { riskOf } from './risk.ts'

type Definition = Omit<DefinitionsRequest['definitions'][number], 'description'> & {
  description: string | null
}
type Tool = Output<AdminApi['tools']['map']>

/** One line of the map that a scan proposes. */
export interface ProposedRule {
  map: MapName
  name: string
  needs: string
  risk: Risk
  resource?: string
  when?: string
  mode?: string
  definition?: string
  input?: JsonObject
  /** What the server says of it, for whoever reviews. */
  remark: string
}

/** How the server differs from the map that is in force. */
export interface Drift {
  change: 'new' | 'changed' | 'gone'
  kind: Definition['kind']
  name: string
}

export interface Proposal {
  rules: ProposedRule[]
  permissions: { slug: string; risk: Risk; label: string }[]
  roles: { slug: string; name: string; permissions: string[] }[]
  drift: Drift[]
  warnings: string[]
}

const MAP_OF: Record<Definition['kind'], MapName> = {
  tool: 'tools',
  resource: 'resources',
  prompt: 'prompts',
  method: 'methods',
}

const METHODS: readonly { capability: readonly string[]; method: string; risk: Risk }[] = [
  { capability: ['logging'], method: 'logging/setLevel', risk: 'write' },
  { capability: ['tasks'], method: 'tasks/get', risk: 'read' },
  { capability: ['tasks'], method: 'tasks/result', risk: 'read' },
  { capability: ['tasks'], method: 'tasks/update', risk: 'write' },
  { capability: ['tasks', 'list'], method: 'tasks/list', risk: 'read' },
  { capability: ['tasks', 'cancel'], method: 'tasks/cancel', risk: 'write' },
]

/**
 * Proposes a map of all that a server offers. What is mapped already keeps what people decided and only gets the
 * definition of today; what is new gets a permission by its risk. Applied as it is, whoever has the last of its roles
 * can use everything.
 */
export function propose(
  server: string,
  offer: { definitions: readonly Definition[]; capabilities: JsonObject },
  present: readonly Tool[],
): Proposal {
  const family = slugOf(server)
  const held = new Map(present.map(tool => [`${tool.kind}:${tool.name}`, tool]))
  const warnings: string[] = []
  const found = new Map<string, ProposedRule>()
  for (const definition of [...offer.definitions, ...announced(offer.capabilities)]) {
    const fault = faultOf(definition)
    if (fault) warnings.push(fault)
    else
      for (const one of expand(definition)) {
        const key = `${one.kind}:${one.name}`
        if (!found.has(key)) found.set(key, toRule(family, one, held.get(key)))
      }
  }
  const rules = [...found.values()]
  const seen = new Set(rules.map(rule => `${rule.map}:${rule.name}`))
  const drift = present
    .filter(tool => !seen.has(`${MAP_OF[tool.kind]}:${tool.name}`))
    .map((tool): Drift => ({ change: 'gone', kind: tool.kind, name: tool.name }))
  return {
    rules,
    ...accessTo(family, server, rules),
    drift: [...differences(rules, held), ...drift],
    warnings,
  }
}

function toRule(family: string, definition: Definition, held: Tool | undefined): ProposedRule {
  const { kind, name, annotations, description } = definition
  const risk = held?.risk ?? (kind === 'tool' ? riskOf(name, annotations) : (methodRisk(name) ?? 'read'))
  return {
    map: MAP_OF[kind],
    name,
    needs: held?.permission ?? `${family}:${risk}`,
    risk,
    ...(held?.resource && { resource: held.resource }),
    ...(held?.condition && { when: held.condition }),
    ...(held?.mode && { mode: held.mode }),
    ...(definition.definition && { definition: definition.definition }),
    ...(kind === 'tool' && { input: definition.inputSchema ?? { type: 'object' } }),
    remark: description ?? '',
  }
}

/** A template stands for all URIs that begin as it does; and for itself, as completion names it. */
function expand(definition: Definition): Definition[] {
  if (definition.kind !== 'resource') return [definition]
  const { name } = definition
  const brace = name.indexOf('{')
  if (brace === -1) return [definition]
  const prefix = { ...definition, name: `${name.slice(0, brace)}*` }
  return name.includes('*') ? [prefix] : [definition, prefix]
}

/** The methods beyond tools, resources and prompts that a server says it answers. */
function announced(capabilities: JsonObject): Definition[] {
  const extensions = (capabilities['extensions'] ?? {}) as JsonObject
  const all: JsonObject = { ...capabilities }
  const tasks = capabilities['tasks'] ?? extensions['io.modelcontextprotocol/tasks']
  if (tasks !== undefined) all['tasks'] = tasks
  return METHODS.filter(({ capability }) => isAnnounced(all, capability)).map(({ method }) => ({
    kind: 'method',
    name: method,
    definition: null,
    description: null,
    inputSchema: null,
    annotations: null,
  }))
}

function isAnnounced(capabilities: JsonObject, path: readonly string[]): boolean {
  let value: unknown = capabilities
  for (const key of path) {
    if (value === null || typeof value !== 'object' || !(key in value)) return false
    value = (value as JsonObject)[key]
  }
  return value !== false && value !== null
}

function methodRisk(name: string): Risk | undefined {
  return METHODS.find(({ method }) => method === name)?.risk
}

/** What cannot be mapped as it is; it stays refused. */
function faultOf({ kind, name }: Definition): string | undefined {
  if (name === '' || name.length > 1024 || /[\p{Cc}\p{Cf}]/u.test(name))
    return `A ${kind} has a name that cannot be written down; it stays refused.`
  if (kind !== 'resource') return undefined
  if (name.startsWith('{'))
    return `The resource template ${name} begins with a variable and would open every URI; it stays refused.`
  if (/^[^{]*\*/.test(name)) return `The resource ${name} has a "*" in its name; it stays refused.`
  return undefined
}

function differences(rules: readonly ProposedRule[], held: Map<string, Tool>): Drift[] {
  return rules.flatMap((rule): Drift[] => {
    const kind =
      (Object.keys(MAP_OF) as Definition['kind'][]).find(each => MAP_OF[each] === rule.map) ?? 'tool'
    const before = held.get(`${kind}:${rule.name}`)
    if (!before) return [{ change: 'new', kind, name: rule.name }]
    if (kind === 'tool' && before.definition !== rule.definition)
      return [{ change: 'changed', kind, name: rule.name }]
    return []
  })
}

const EFFECT: Record<Risk, string> = { read: 'Read', write: 'Write', dangerous: 'Do dangerous things' }

function accessTo(
  family: string,
  server: string,
  rules: readonly ProposedRule[],
): Pick<Proposal, 'permissions' | 'roles'> {
  const own = (['read', 'write', 'dangerous'] as const).filter(risk =>
    rules.some(rule => rule.needs === `${family}:${risk}`),
  )
  const permissions = own.map(risk => ({
    slug: `${family}:${risk}`,
    risk,
    label: `${EFFECT[risk]} on ${server}`,
  }))
  const needed = [...new Set(rules.map(rule => rule.needs))].sort()
  const harmless = needed.filter(slug => rules.every(rule => rule.needs !== slug || rule.risk === 'read'))
  const reader = { slug: `${family}-reader`, name: `Reads on ${server}`, permissions: harmless }
  const operator = { slug: `${family}-operator`, name: `Uses all of ${server}`, permissions: needed }
  const isSplit = harmless.length > 0 && harmless.length < needed.length
  return { permissions, roles: needed.length === 0 ? [] : isSplit ? [reader, operator] : [operator] }
}

/** The server's name as the first part of a permission. */
function slugOf(server: string): string {
  const slug = server.toLowerCase().replaceAll(/[^a-z0-9._-]/g, '-')
  return /^[a-z]/.test(slug) ? slug.slice(0, 54) : `s-${slug}`.slice(0, 54)
}
