import { agree, asOneChange, type StandingGrant } from '../../directory/index.ts'
import { grantedOf, type Yes } from '../../oauth/index.ts'
import { noteConsent, wasEndedThere } from '../federation/sessions.ts'
import { refuseForm } from '../pages/account.ts'
import { redirectTo } from '../pages/layout.ts'
import { adopt, lend, readLent } from './adoption.ts'
import { keepHeld, toRefs } from './reach.ts'
import type { Visit } from './scene.ts'
import { readSituation, type Situation } from './situation.ts'
import { type Choice, type Terms, termsOf } from './terms.ts'
import { showConsent } from './view.ts'

const HOUR_MS = 60 * 60_000
/** How long an answer under way may take, for a second one that came with it. */
const ANSWER_WAIT_MS = 3_000

/** Takes a yes: what was ticked, of what can be given at this very moment. */
export async function allow(visit: Visit, choice: Choice): Promise<Response> {
  const situation = await readSituation(visit)
  const { standing, offer, policy, grant, isWhole } = situation
  const again = (fault: Parameters<typeof showConsent>[3], given?: Choice) =>
    showConsent(visit, situation, given, fault)
  if (standing.kind === 'stopped' || (isWhole && offer.lacking.length > 0)) return again(undefined)
  // What the page had shown as standing has gone: it must be seen whole.
  if (choice.view === 'added' && !grant) return again('changed')
  const terms = termsOf(offer, choice, { standing: grant, policy, isWhole, now: visit.stage.now() })
  if (!terms) return refuseForm(visit.c)
  if (terms.token.length === 0) return again('nothing', choice)
  const resources = await resourcesOf(visit, terms, choice, grant)
  if (resources === undefined) return again('nowhere', choice)
  const yes = await grantOnce(visit, standing, terms, resources)
  return yes === undefined ? whenAnswered(visit) : redirectTo(await visit.open.allow(yes))
}

/** Answers with what the person has agreed to before. */
export async function passOn(visit: Visit, { offer, grant }: Situation): Promise<Response> {
  const asked = offer.scopes.filter(({ isAsked, isGranted }) => isAsked && isGranted)
  const scopes = asked.map(({ slug }) => slug)
  const yes = yesOf(visit, grant?.id ?? '', scopes)
  const { open, stage } = visit
  return (await open.keep(stage.store, yes)) ? redirectTo(await open.allow(yes)) : whenAnswered(visit)
}

function yesOf({ request, person }: Visit, grant: string, scopes: readonly string[]): Yes {
  return { person: person.id, grant, scopes, isOffline: request.isOffline }
}

/** The resources that are agreed to; none is the whole organization, undefined is that nothing was chosen. */
async function resourcesOf(
  { ctx, person, request }: Visit,
  { scopes, elevated }: Terms,
  choice: Choice,
  grant: StandingGrant | undefined,
): Promise<string[] | undefined> {
  if (choice.view === 'added') return toRefs(ctx, person.organization.id, grant?.resources ?? [])
  const chosen = request.details?.resources ?? choice.resources
  if (chosen === undefined) return []
  const held = await keepHeld(ctx, person, [...scopes, ...Object.keys(elevated)], chosen)
  return held.length > 0 ? held : undefined
}

/** Writes the grant down, and takes the agent on where there is none, as one change; undefined where this request has its answer or was cancelled, or nobody is signed in any more. */
async function grantOnce(
  visit: Visit,
  standing: Situation['standing'],
  terms: Terms,
  resources: string[],
): Promise<Yes | undefined> {
  const { request, person, stage, open } = visit
  const organization = person.organization.id
  const { scopes, elevated, expiresAt } = terms
  const isLending = standing.kind === 'new' || (standing.kind === 'agent' && standing.ceiling === null)
  const all = [...scopes, ...Object.keys(elevated)]
  const lent = isLending ? await readLent(visit.ctx, person, all) : []
  const change = asOneChange(visit.ctx, [organization], async ctx => {
    // A sign-out that came in between has taken back what it found, and would not find this.
    if (await wasEndedThere(ctx.store.db, visit.session.id)) return undefined
    const first = await ctx.store.db
      .insertInto('replay')
      .values({ id: `consent:${request.id}`, expiresAt: stage.now() + HOUR_MS })
      .onConflict(conflict => conflict.doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!first) return undefined
    const agent = request.caller?.agent ?? (await adopt(ctx, request, person, all)).id
    const parties = { organization, agent, person: person.id, server: request.target.server }
    const { details: wanted, target } = request
    const details = wanted && grantedOf(wanted, target, { scopes: all, resources })
    const grant = await agree(ctx, {
      ...parties,
      scopes,
      elevated,
      resources,
      expiresAt,
      details,
      lends: isLending,
    })
    await noteConsent(ctx, visit.session.id, grant.id)
    if (isLending) await lend(ctx, { agent, person, scopes: all, lent, grant: grant.id, expiresAt })
    const yes = yesOf(visit, grant.id, terms.token)
    // What was cancelled meanwhile is not granted, and what is granted can be cancelled no more.
    if (!(await open.keep(ctx.store, yes))) throw new Overtaken()
    return yes
  })
  return change.catch(fault => {
    if (fault instanceof Overtaken) return undefined
    throw fault
  })
}

/** Takes back all that was written down for a yes that came too late. */
class Overtaken extends Error {
  override name = 'Overtaken'
}

/** Goes where the answer leads that was given by another click, or back to the question. */
async function whenAnswered({ open, path }: Visit): Promise<Response> {
  for (const until = Date.now() + ANSWER_WAIT_MS; Date.now() < until; ) {
    const request = await open.find()
    if (!request) break
    if (request.answered !== null) return redirectTo(request.answered)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  return redirectTo(path)
}
