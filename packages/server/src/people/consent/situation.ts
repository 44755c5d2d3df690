import {
  type ConsentPolicy,
  findStandingGrant,
  readConsentPolicy,
  type StandingGrant,
} from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import type { Person } from '../account/person.ts'
import { NOTHING_TO_OFFER, type Offer, readOffer } from './offer.ts'
import { keepHeld } from './reach.ts'
import type { Visit } from './scene.ts'
import { type Standing, standingOf } from './standing.ts'
import { askedOn } from './terms.ts'

/** The agent behind a request, as people know it. */
export interface KnownAgent {
  name: string
  purpose: string
  owner: { id: string; name: string; email: string }
  allOrNothing: boolean
  /** This person has let it act before, whatever became of that. */
  isFamiliar: boolean
}

/** Where a client stands with a person at this moment, what the person could give it, and what it has already. */
export interface Situation {
  standing: Standing
  agent: KnownAgent | undefined
  policy: ConsentPolicy
  offer: Offer
  grant: StandingGrant | undefined
  /** It takes all that it asks for, or nothing. */
  isWhole: boolean
  /** What it asks to be limited to, as far as the person could give it; undefined where it says nothing in detail. */
  limits: Limits | undefined
}

/** Tools by name, resources by reference; null is no limit. */
export interface Limits {
  tools: string[] | null
  resources: string[] | null
}

export async function readSituation(visit: Visit): Promise<Situation> {
  const { ctx, request, person, mayAdopt } = visit
  const { caller, requested, target, details } = request
  const organization = person.organization.id
  const policy = await readConsentPolicy(ctx.store.db, organization)
  const agent = caller && (await readAgent(ctx.store, caller.agent, person))
  const standing = standingOf(request, person, agent?.owner.id, policy.mayAdopt ?? mayAdopt)
  const isWhole = agent?.allOrNothing ?? false
  if (standing.kind === 'stopped')
    return {
      ...{ standing, agent, policy, isWhole },
      ...{ offer: NOTHING_TO_OFFER, grant: undefined, limits: undefined },
    }
  const parties = { organization, person: person.id, server: target.server }
  // What is asked for in detail stands alone: nothing of before counts for it.
  const grant =
    caller && !details ? await findStandingGrant(ctx, { ...parties, agent: caller.agent }) : undefined
  const offer = await readOffer(ctx, person, {
    asked: requested,
    granted: grant?.scopes ?? [],
    ceiling: standing.kind === 'agent' ? standing.ceiling : null,
  })
  return { standing, agent, policy, offer, grant, isWhole, limits: await readLimits(visit) }
}

async function readLimits({ ctx, person, request }: Visit): Promise<Limits | undefined> {
  const { details, requested } = request
  if (!details) return undefined
  const tools = details.tools?.filter(({ permission }) => requested.includes(permission))
  const { resources } = details
  return {
    tools: tools?.map(({ name }) => name) ?? null,
    resources: resources && (await keepHeld(ctx, person, requested, resources)),
  }
}

/**
 * Whether there is nothing to ask: the person has let this agent all that it asks for, and the answer reaches it and no
 * other. It may ask to be looked at again all the same.
 */
export function isSettled({ request }: Visit, situation: Situation): boolean {
  const { standing, offer, grant, isWhole } = situation
  if (request.isReview || !request.client.canBeTold || !grant || standing.kind !== 'agent') return false
  if (isWhole && offer.lacking.length > 0) return false
  return offer.scopes.some(({ isAsked }) => isAsked) && askedOn('added', offer).length === 0
}

async function readAgent({ db }: Store, id: string, person: Person): Promise<KnownAgent | undefined> {
  const row = await db
    .selectFrom('agent')
    .innerJoin('principal', 'principal.id', 'agent.id')
    .innerJoin('principal as owner', 'owner.id', 'agent.ownerId')
    .leftJoin('grant', join =>
      join
        .onRef('grant.agentId', '=', 'agent.id')
        .onRef('grant.organizationId', '=', 'agent.organizationId')
        .on('grant.personId', '=', person.id),
    )
    .select([
      'principal.name',
      'agent.purpose',
      'agent.allOrNothing',
      'owner.id as ownerId',
      'owner.name as ownerName',
      'owner.externalId as ownerEmail',
      'grant.id as grant',
    ])
    .where('agent.id', '=', id)
    .limit(1)
    .executeTakeFirst()
  if (!row) return undefined
  const { name, purpose, allOrNothing, ownerId, ownerName, ownerEmail, grant } = row
  return {
    ...{ name, purpose },
    owner: { id: ownerId, name: ownerName, email: ownerEmail },
    allOrNothing: allOrNothing === 1,
    isFamiliar: grant !== null,
  }
}
