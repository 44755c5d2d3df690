import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { anyCovers } from '@valetkey/sdk/core'
import type { Command } from 'commander'
import { findAgent } from '../find.ts'
import { namesOf } from '../names.ts'
import { type Delegation, delegationView } from '../principal/delegation.ts'
import { type Grant, grantView } from '../principal/grant.ts'
import { findPrincipal, type Principal, splitPrincipal } from '../principal/principal.ts'
import { addCommand, allPages, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'
import { type Reach, type ReachableTool, toolsInReach } from './reachable-tool.ts'
import { reasonLines } from './reason-lines.ts'

type Escalation = Output<AdminApi['delegationRules']['report']>['items'][number]

/** Everything that somebody can reach now. */
interface What {
  principal: string
  kind: Principal['kind']
  name: string
  status: string | null
  /** The most that a token of an agent carries; null for others, which get no tokens of ours. */
  ceiling: readonly string[] | null
  reach: readonly Reach[]
  tools: readonly ReachableTool[]
  grants: readonly Grant[]
  /** What it handed on to other agents, and was handed. */
  delegations: readonly Delegation[]
  revision: string
}

const view: View<What> = {
  kind: 'What',
  name: what => what.name,
  columns: [
    { header: 'NAME', value: what => what.name },
    { header: 'ROLES', value: what => what.reach.length },
    { header: 'TOOLS', value: what => what.tools.length },
  ],
}

const reachView: View<Reach> = {
  kind: 'Reach',
  name: reach => reach.via.assignment,
  columns: [
    { header: 'MAY', value: reach => reach.permissions.map(withCondition).join(' ') },
    { header: 'ON', value: reach => reach.via.on },
    { header: 'BY ROLE', value: reach => reach.via.role },
    { header: 'THROUGH', value: ({ via }) => (via.group === null ? null : `group ${via.group}`) },
    { header: 'GIVEN BY', value: reach => reach.via.createdBy },
    { header: 'EXPIRES', value: reach => ({ time: reach.via.expiresAt }) },
    { header: 'ASSIGNMENT', value: reach => reach.via.assignment, wide: true },
  ],
}

const toolView: View<ReachableTool> = {
  kind: 'Tool',
  name: tool => tool.name,
  columns: [
    { header: 'SERVER', value: tool => tool.server },
    { header: 'KIND', value: tool => tool.kind },
    { header: 'NAME', value: tool => tool.name },
    { header: 'NEEDS', value: tool => tool.permission },
    { header: 'ON', value: tool => tool.on.join(' ') },
    { header: 'RISK', value: tool => tool.risk },
    { header: 'WHEN', value: tool => tool.condition, wide: true },
  ],
}

const throughView: View<Escalation> = {
  kind: 'Escalation',
  name: escalation => escalation.permission,
  columns: [
    { header: 'THROUGH', value: escalation => escalation.through.join(' > ') },
    { header: 'COULD CAUSE', value: escalation => escalation.permission },
    { header: 'ON', value: escalation => escalation.on.join(' ') },
    { header: 'KNOWN', value: escalation => (escalation.accepted ? 'yes' : 'NO') },
    { header: 'BY RULES', value: escalation => escalation.rules.join(' '), wide: true },
  ],
}

/** The blast radius of an agent, a person, a group or a service. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'what <who>', {
    summary:
      'Say what an agent, or somebody else, can reach now, by which role and from whom; and with which tools',
    examples: [
      ['valetkey what support-bot', 'everything that an agent can reach'],
      ['valetkey what support-bot --through-delegation', 'and what it could cause through other agents'],
    ],
  })
    .option('--through-delegation', 'what it could cause through agents that it may delegate to')
    .action(withSession(io, what))
}

async function what(
  session: Session,
  text: string,
  { throughDelegation }: { throughDelegation?: true },
): Promise<void> {
  const { api, print } = session
  const principal = await findPrincipal(session, text)
  if (throughDelegation) return showThrough(session, principal)
  const { organization, id, kind, name } = principal
  const agent = kind === 'agent' ? await findAgent(session, splitPrincipal(text).name) : undefined
  const [{ items: reach, revision }, grants, delegations] = await Promise.all([
    api.access.reach({ organization, principal: id }),
    grantsOf(session, principal),
    delegationsOf(session, principal),
  ])
  const tools = agent ? await toolsInReach(session, agent, reach) : { open: [], shut: 0 }
  const status = agent?.status ?? null
  const found: What = {
    principal: id,
    kind,
    name,
    status,
    ceiling: agent?.ceiling ?? null,
    reach,
    tools: tools.open,
    grants,
    delegations,
    revision,
  }
  if (!print.human) return print.item(view, found)
  await showReach(session, found)
  if (agent) showTools(session, found, tools.shut)
  if (grants.length > 0) {
    print.say('')
    print.say(
      kind === 'agent' ? 'It acts for people, within what they hold too:' : 'Agents act for this person:',
    )
    print.list(grantView, grants)
  }
  if (delegations.length === 0) return
  print.say('')
  print.say('It acts for other agents, or lets them act, within what both hold:')
  print.list(delegationView, delegations)
}

async function delegationsOf(
  { api }: Session,
  { kind, id: agent, organization }: Principal,
): Promise<Delegation[]> {
  if (kind !== 'agent') return []
  return allPages(page => api.delegations.list({ ...page, organization, agent, live: true }))
}

async function grantsOf({ api }: Session, { kind, id, organization }: Principal): Promise<Grant[]> {
  if (kind !== 'agent' && kind !== 'user') return []
  const whose = kind === 'agent' ? { agent: id } : { person: id }
  const all = await allPages(page => api.grants.list({ ...page, organization, ...whose }))
  return all.filter(({ status }) => status === 'live')
}

async function showReach(session: Session, { name, status, ceiling, reach }: What): Promise<void> {
  const { print, io } = session
  if (reach.length === 0) {
    const why =
      status === null || status === 'active' ? 'no live role of it holds anything' : `it is ${status}`
    print.say(`${name} reaches nothing: ${why}.`)
    return
  }
  print.say(`${name} may, on these resources and all below them:`)
  print.say('')
  if (io.out.isTerminal) {
    const names = await namesOf(
      session,
      reach.map(({ via }) => via.createdBy),
    )
    const items = reach.map(({ via, permissions }) => ({
      subject: via.on,
      permissions: permissions.map(withCondition),
      via: [via],
    }))
    for (const line of reasonLines(session, items, names)) print.say(line)
  } else print.list(reachView, reach)
  if (ceiling === null) return
  const slugs = new Set(reach.flatMap(({ permissions }) => permissions.map(({ slug }) => slug)))
  const unused = [...slugs].filter(slug => !anyCovers(ceiling, slug)).sort()
  print.say('')
  print.say(`Its tokens carry at most ${ceiling.join(', ') || 'nothing'}.`)
  if (unused.length > 0) print.say(`Out of reach for want of a scope: ${unused.join(', ')}.`)
}

function showTools({ print }: Session, { tools, reach }: What, shut: number): void {
  if (reach.length === 0) return
  print.say('')
  if (tools.length === 0) print.say('No tool of any server is open to it.')
  else {
    print.say('Tools that it could call, with arguments that name what it may reach:')
    print.say('')
    print.list(toolView, tools)
  }
  if (shut > 0)
    print.say(
      `${shut} more ${shut === 1 ? 'is' : 'are'} shut: the server is frozen, or the definition is not the approved one.`,
    )
}

function withCondition({ slug, condition }: Reach['permissions'][number]): string {
  return condition === null ? slug : `${slug}(when ${condition})`
}

/** What an agent may not do itself, and others that it may ask may. */
async function showThrough(
  { api, print }: Session,
  { organization, id: agent, name, kind }: Principal,
): Promise<void> {
  if (kind !== 'agent')
    throw new UsageError('Only agents delegate.', `"${name}" is a ${kind}.`, 'Name an agent.')
  const { items, revision } = await api.delegationRules.report({ organization, agent })
  if (items.length > 0 || !print.human) print.list(throughView, items, { revision })
  if (items.length === 0) print.say(`${name} could cause nothing through others that it may not do itself.`)
}
