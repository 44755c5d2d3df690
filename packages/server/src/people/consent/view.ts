import { ROOT_RESOURCE } from '@valetkey/sdk/core'
import type { StandingGrant } from '../../directory/index.ts'
import { type Asking, consentPage, stoppedPage } from '../pages/consent.ts'
import { toResponse } from '../pages/layout.ts'
import { namesOfRefs, readReach, toRefs } from './reach.ts'
import { deskOf, nameOf, type Visit } from './scene.ts'
import type { Situation } from './situation.ts'
import { askedOn, type Choice, lengthsOf } from './terms.ts'

export type ConsentFault = 'nothing' | 'nowhere' | 'changed'

/**
 * Shows what can be answered: all of it, or only what is new where something stands. What somebody has ticked already
 * stays so; `review` begins with what stands.
 */
export async function showConsent(
  visit: Visit,
  situation: Situation,
  given?: Choice | 'review',
  fault?: ConsentFault,
): Promise<Response> {
  const { standing, offer, grant, isWhole, limits } = situation
  const desk = deskOf(visit)
  const refusal = refusalOf(visit, situation)
  if (refusal !== undefined) {
    const mayAsk = standing.kind === 'stopped' && standing.why === 'unknown' && standing.mayAsk
    return toResponse(stoppedPage({ ...desk, text: refusal, mayAsk }))
  }
  const isNew = askedOn('added', offer).length > 0
  const choice = typeof given === 'object' ? given : undefined
  const view = (choice?.view ?? (grant && isNew && given !== 'review' ? 'added' : 'all')) as Choice['view']
  const scopes = askedOn(view, offer)
  const proposed = scopes.filter(({ risk, isGranted }) => isGranted || (!grant && risk === 'read'))
  const page = consentPage({
    ...desk,
    ...{ view, scopes, isWhole, fault },
    asking: await readAsking(visit, situation),
    ticked: new Set(choice?.scopes ?? proposed.map(({ slug }) => slug)),
    already: view === 'added' && grant ? await readAlready(visit, situation, grant) : undefined,
    reach: view === 'all' && !limits?.resources ? await readReachOf(visit, situation, choice) : undefined,
    limits: limits && {
      tools: limits.tools,
      on: limits.resources && (await namesOfRefs(visit.ctx, visit.person.organization.id, limits.resources)),
    },
    lengths: lengths(situation, choice),
  })
  return toResponse(page)
}

/** Why there is nothing that this person could answer. */
function refusalOf({ words, request }: Visit, { standing, offer, isWhole, limits }: Situation) {
  const { pending, unknown, foreign, alone, nothing, lacking } = words.stopped
  if (standing.kind === 'stopped') return { pending, unknown, foreign, alone }[standing.why]
  if (isWhole && offer.lacking.length > 0) return lacking(offer.lacking)
  const isAnything = offer.scopes.some(({ isAsked }) => isAsked)
  const isSomewhere = limits?.resources?.length !== 0
  return isAnything && isSomewhere && request.requested.length > 0 ? undefined : nothing
}

async function readAsking({ words, request, stage }: Visit, { agent }: Situation): Promise<Asking> {
  const { client, clientId, target } = request
  const server = await stage.store.db
    .selectFrom('server')
    .select(['name', 'url'])
    .where('id', '=', target.server)
    .executeTakeFirstOrThrow()
  const vouchedBy = {
    'pre-registered': undefined,
    'metadata-document': URL.parse(clientId)?.host ?? null,
    dynamic: null,
  }[client.kind]
  const said = nameOf(request, words)
  return {
    name: vouchedBy === undefined ? (agent?.name ?? said) : said,
    vouchedBy,
    known: agent,
    isFamiliar: agent?.isFamiliar ?? false,
    returns: client.returns,
    message: request.message,
    server,
  }
}

async function readAlready({ ctx, person }: Visit, { offer }: Situation, grant: StandingGrant) {
  const labels = offer.scopes.filter(({ isGranted }) => isGranted).map(({ label, slug }) => label || slug)
  const isAll = grant.resources.includes(ROOT_RESOURCE)
  const { id } = person.organization
  const on = isAll ? [] : await namesOfRefs(ctx, id, await toRefs(ctx, id, grant.resources))
  return { labels, on, until: Date.parse(grant.expiresAt) }
}

async function readReachOf({ ctx, person }: Visit, { offer, grant }: Situation, choice: Choice | undefined) {
  const isAllStanding = !grant || grant.resources.includes(ROOT_RESOURCE)
  const standing = isAllStanding ? undefined : await toRefs(ctx, person.organization.id, grant.resources)
  const chosen = choice ? choice.ticked : standing
  const find = choice?.find ?? ''
  const permissions = offer.scopes.map(({ slug }) => slug)
  const reach = await readReach(ctx, person, permissions, { find, chosen: chosen ?? [] })
  const isAnything = reach.chosen.length + reach.others.length > 0 || find !== ''
  const isSome = choice ? choice.resources !== undefined : standing !== undefined
  return isAnything ? { ...reach, isSome, find } : undefined
}

function lengths({ policy, grant }: Situation, choice: Choice | undefined) {
  const kept = grant ? Date.parse(grant.expiresAt) : undefined
  const offered = lengthsOf(policy)
  const proposed = kept === undefined ? policy.proposedSeconds : ('kept' as const)
  const chosen = choice?.lasting !== undefined && offered.includes(choice.lasting) ? choice.lasting : proposed
  return { offered, kept, chosen }
}
