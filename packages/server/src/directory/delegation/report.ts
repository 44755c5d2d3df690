import { anyCovers } from '@valetkey/sdk/core'
import { isHeard, type OrganizationView, refOf, rolesOf, rootsOf } from '@valetkey/sdk/engine'
import { withIndex } from '../access/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { getOrganization, getPrincipal } from '../reference.ts'

type Report = OutputOf<'delegationRules', 'report'>
type Escalation = Report['items'][number]

/** As deep as a chain can be set to go. */
const MOST_DEPTH = 8

/** An agent with what it may do itself, today. */
interface Agent {
  id: string
  name: string
  sides: ReadonlySet<string>
  /** The highest resources, by permission, in the order of both. */
  reach: ReadonlyMap<string, readonly number[]>
}

/** A way from one agent to another by the rules. */
interface Way {
  agents: readonly Agent[]
  rules: readonly Row<'delegationRule'>[]
}

/**
 * Finds, before anybody delegates, what an agent could cause through others that it may not do itself. What is delegated
 * never exceeds what both may; but whoever may delegate to an agent may ask it for things, and that one may be talked
 * into doing them by what it holds itself. The shortest way to each is told.
 */
export async function reportDelegation(
  ctx: Context,
  input: InputOf<'delegationRules', 'report'>,
): Promise<Report> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const only = input.agent ? (await getPrincipal(db, organization, 'agent', input.agent)).id : undefined
  const rules = await db
    .selectFrom('delegationRule')
    .selectAll()
    .where('organizationId', '=', organization.id)
    .orderBy('id')
    .execute()
  return withIndex(ctx, { organization: organization.id }, ({ view, revision }) => {
    const agents = agentsOf(view, ctx.now()).sort((a, b) => (a.name < b.name ? -1 : 1))
    const items = agents
      .filter(({ id }) => only === undefined || id === only)
      .flatMap(agent => waysFrom(agent, agents, rules).flatMap(way => escalationsBy(view, way)))
    return { items, revision }
  })
}

function agentsOf(view: OrganizationView, now: number): Agent[] {
  const permissions = [...view.catalogue.permissions.values()].map(({ fact }) => fact.slug).sort()
  return [...view.agents.values()].flatMap(({ id, ceiling }) => {
    const principal = view.principals.get(id)
    if (!principal || !isHeard(view, principal)) return []
    const { seq, name } = principal
    const reach = new Map<string, readonly number[]>()
    for (const permission of permissions.filter(slug => anyCovers(ceiling, slug))) {
      const roots = rootsOf(view, { principal: seq, permission, now }).map(({ resource }) => resource)
      if (roots.length > 0) reach.set(permission, roots)
    }
    const roles = [...rolesOf(view, { principal: seq, now })].map(role => `role:${role}`)
    return [{ id, name, sides: new Set(['organization', `agent:${id}`, ...roles]), reach }]
  })
}

/** The shortest way to every agent that one can go to, no agent twice. */
function waysFrom(start: Agent, agents: readonly Agent[], rules: readonly Row<'delegationRule'>[]): Way[] {
  const found: Way[] = []
  const seen = new Set([start.id])
  let edge: Way[] = [{ agents: [start], rules: [] }]
  for (let depth = 0; depth < MOST_DEPTH && edge.length > 0; depth++) {
    const next: Way[] = []
    for (const way of edge)
      for (const rule of rules.filter(({ delegator }) => way.agents.at(-1)?.sides.has(delegator)))
        for (const agent of agents.filter(({ id, sides }) => !seen.has(id) && sides.has(rule.delegate))) {
          seen.add(agent.id)
          next.push({ agents: [...way.agents, agent], rules: [...way.rules, rule] })
        }
    found.push(...next)
    edge = next
  }
  return found
}

/** What the last agent of a way may and the first may not. */
function escalationsBy(view: OrganizationView, { agents, rules }: Way): Escalation[] {
  const [first, ...others] = agents
  const last = others.at(-1)
  if (!first || !last) return []
  const known = JSON.parse(rules[0]?.beyond ?? '[]') as string[]
  return [...last.reach].flatMap(([permission, roots]) => {
    const own = first.reach.get(permission) ?? []
    const more = roots.filter(root => !own.some(place => view.tree.isWithin(root, place)))
    if (more.length === 0) return []
    return [
      {
        ...{ agent: first.id, agentName: first.name, through: others.map(({ name }) => name) },
        ...{ rules: rules.map(({ id }) => id), permission, on: more.map(root => refOf(view, root)) },
        accepted: anyCovers(known, permission),
      },
    ]
  })
}
