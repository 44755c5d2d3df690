import { anyCovers, type LinkFact, type Reason } from '../core/index.ts'
import type { LinkView } from './link.ts'
import type { OrganizationView } from './organization.ts'
import type { Caller } from './request.ts'
import { meet } from './target.ts'
import { conditionInput, type Parties, type Refusal, type Walk } from './walk.ts'

/** The links from the root down to one, itself included; undefined where one of them is gone. */
export function pathOfLink(view: OrganizationView, id: string): readonly LinkFact[] | undefined {
  const path: LinkFact[] = []
  for (let at: string | null = id; at !== null; ) {
    const link: LinkView | undefined = view.links.get(at)
    if (!link || path.includes(link.fact)) return undefined
    path.unshift(link.fact)
    at = link.fact.parent
  }
  return path
}

/** The agent that a chain begins with: the one that a person's grant is for, or that acts by what it holds itself. */
export function rootOf({ chain }: Pick<Parties, 'chain'>, { agent }: Pick<Caller, 'agent'>): string {
  return chain[0]?.link?.fact.from ?? agent
}

/**
 * Why a chain lets nobody act: a link or the credential behind it was taken back, the links do not continue one another
 * from the root to this caller, or one of the agents that delegated is not alive. A link that is gone takes along all
 * that follow it, since the caller names every one.
 */
export function refuseChain({ organization, chain }: Parties, caller: Caller): Refusal | null {
  let before: LinkFact | undefined
  for (const { link, from } of chain) {
    if (!link || !continues(link.fact, before, caller)) return { reason: 'revoked', detail: 'the delegation' }
    const credential = organization?.credentials.get(link.fact.credential)
    if (!from || !credential || from.principal.status === 'retired')
      return { reason: 'revoked', detail: 'the agent that delegated' }
    if (link.fact.frozen) return { reason: 'frozen', detail: 'the delegation' }
    if (credential.frozen) return { reason: 'frozen', detail: 'the credential that delegated' }
    const { name, status } = from.principal
    if (status !== 'active') return { reason: 'suspended', detail: `agent ${name}, which delegated,` }
    if (from.owner?.status !== 'active')
      return { reason: 'suspended', detail: `the owner of agent ${name}, which delegated, is gone: it` }
    before = link.fact
  }
  return before === undefined || before.to === caller.agent
    ? null
    : { reason: 'revoked', detail: 'the delegation' }
}

function continues(link: LinkFact, before: LinkFact | undefined, { grant }: Caller): boolean {
  if (link.grant !== grant) return false
  if (!before) return link.parent === null
  return link.parent === before.id && link.from === before.to && link.hops < before.hops
}

/** Why a chain is over: the first link that has ended. */
export function refuseEnded({ organization, chain }: Parties, now: number): Refusal | null {
  for (const { link } of chain)
    if (link && link.fact.expiresAt <= now)
      return { reason: 'delegation_expired', detail: between(organization, link.fact) }
  return null
}

/** Whether every link carries a permission. */
export function chainCarries({ chain }: Parties, permission: string): boolean {
  for (const { link } of chain) if (!link || !anyCovers(link.fact.scopes, permission)) return false
  return true
}

/** Every link is live, carries the permission, holds the resources, and its limit on the arguments holds. */
export function checkChain(walk: Walk): Refusal | null {
  const { chain, organization, rule, targets, request } = walk
  if (chain.length === 0) return null
  const ended = refuseEnded(walk, request.now)
  if (ended || !organization) return ended
  const permission = rule?.fact.permission ?? ''
  for (const { link } of chain) {
    if (!link) return { reason: 'revoked', detail: 'the delegation' }
    const { scopes, resources, condition } = link.fact
    const refuse = (reason: Reason, why: string): Refusal => ({
      reason,
      detail: `${between(organization, link.fact)} ${why}`,
    })
    if (!anyCovers(scopes, permission)) return refuse('delegation_scope', `does not carry ${permission}`)
    for (const target of targets)
      if (meet(organization, target, resources).length === 0)
        return refuse('delegation_resource', `does not reach ${target.path ?? 'the whole organization'}`)
    if (!link.holds(conditionInput(walk))) return refuse('delegation_arguments', `is limited to ${condition}`)
  }
  return null
}

/** `from support-bot to billing-analyst`. */
function between(view: OrganizationView | undefined, { from, to }: LinkFact): string {
  const name = (id: string) => view?.principals.get(id)?.name ?? id
  return `from ${name(from)} to ${name(to)}`
}
