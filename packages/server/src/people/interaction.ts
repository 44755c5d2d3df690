import { isoTime } from '@valetkey/sdk/core'
import type { Hono } from 'hono'
import { asOneChange, type Context, createGrant } from '../directory/index.ts'
import type { AuthorizationRequest, AuthorizationRequests } from '../oauth/index.ts'
import { adopt, lend, readLent } from './adoption.ts'
import { noteConsent } from './federation/sessions.ts'
import type { Form } from './form.ts'
import { type Offer, readOffer } from './offer.ts'
import { messagePage, refuseForm } from './pages/account.ts'
import { consentPage, stoppedPage } from './pages/consent.ts'
import { redirectTo, toResponse } from './pages/layout.ts'
import { STRINGS } from './pages/strings.ts'
import type { Ask, Env } from './sign-in.ts'
import type { SignedIn, Stage } from './stage.ts'
import { type Standing, standingOf } from './standing.ts'

const HOUR_MS = 60 * 60_000
/** For how long a person may let an agent act. */
const DURATIONS: Record<string, number> = { hour: HOUR_MS, day: 24 * HOUR_MS, month: 30 * 24 * HOUR_MS }
/** How long an answer under way may take, for a second one that came with it. */
const ANSWER_WAIT_MS = 3_000

interface Options {
  requests: AuthorizationRequests
  mayAdopt: boolean
}

/** Everything that one request for consent is about. */
interface Scene extends Options {
  c: Ask
  stage: Stage
  request: AuthorizationRequest
  path: string
}

/** The page on which a person answers what an agent asks: signs in first, then allows some of it, or nothing. */
export function addInteraction(app: Hono<Env>, stage: Stage, options: Options): void {
  const setScene = async (c: Ask): Promise<Scene | undefined> => {
    const { incoming, outgoing } = c.env
    const request = await options.requests.find(incoming, outgoing)
    if (!request || request.id !== c.req.param('id')) return undefined
    return { ...options, c, stage, request, path: `${stage.base}/interaction/${request.id}` }
  }
  app.get('/interaction/:id', async c => {
    const scene = await setScene(c)
    if (!scene) return expired()
    if (scene.request.answered !== null) return redirectTo(scene.request.answered)
    const who = await whoAnswers(scene)
    return who ? showConsent(scene, who) : toResponse(await stage.showSignIn(placeOf(scene)))
  })
  app.post('/interaction/:id', async c => {
    const scene = await setScene(c)
    if (!scene) return expired()
    if (scene.request.answered !== null) return redirectTo(scene.request.answered)
    const form = await stage.readForm(c)
    if (!form) return refuseForm()
    if (form.one('action') === 'sign-in') return stage.signIn(c, placeOf(scene), form, scene.path)
    const who = await whoAnswers(scene)
    if (!who || !stage.isOwnForm(purposeOf(scene, who), form)) return refuseForm()
    return answer(scene, who, form)
  })
}

function expired(): Response {
  const { title, expired: text } = STRINGS.stopped
  return toResponse(messagePage({ title, text, status: 400 }))
}

/** Who is signed in, and was so late enough for this request. */
async function whoAnswers({ c, stage, request }: Scene): Promise<SignedIn | undefined> {
  const who = await stage.whoIs(c)
  const isLate = request.signInAfter === null || (who?.session.signedInAt ?? 0) >= request.signInAfter
  return isLate ? who : undefined
}

function placeOf({ request, path }: Scene) {
  const { id, caller, client } = request
  const agent = client.name || client.host || STRINGS.consent.thisComputer
  const isFresh = request.signInAfter !== null
  return { path, purpose: id, organization: caller?.organization, agent, leadsTo: client.source, isFresh }
}

function purposeOf({ request }: Scene, who: SignedIn): string {
  return `consent:${request.id}:${who.session.id}`
}

function contextOf({ stage }: Scene, { person }: SignedIn): Context {
  return { store: stage.store, now: stage.now, actor: { id: person.id, name: person.email, permissions: [] } }
}

/** Where the client stands, and what the person could give it. */
async function readSituation(
  scene: Scene,
  who: SignedIn,
): Promise<{ standing: Standing; offer: Offer; agent: string }> {
  const { request, mayAdopt, stage } = scene
  const row = request.caller && (await findAgent(stage, request.caller.agent))
  const standing = standingOf(request, who.person, row?.ownerId, mayAdopt)
  const ceiling = standing.kind === 'agent' ? standing.ceiling : null
  const offer =
    standing.kind === 'stopped'
      ? { scopes: [], resources: [], hasMore: false }
      : await readOffer(contextOf(scene, who), request, who.person, ceiling)
  const { client } = request
  const said = client.name || client.host || STRINGS.consent.thisComputer
  return { standing, offer, agent: client.isDynamic ? said : (row?.name ?? said) }
}

function findAgent({ store }: Stage, id: string) {
  return store.db
    .selectFrom('agent')
    .innerJoin('principal', 'principal.id', 'agent.id')
    .select(['agent.ownerId', 'principal.name'])
    .where('agent.id', '=', id)
    .executeTakeFirst()
}

async function showConsent(scene: Scene, who: SignedIn, fault?: 'nothing' | 'nowhere'): Promise<Response> {
  const { stage, request, path: action } = scene
  const { standing, offer, agent } = await readSituation(scene, who)
  const formToken = stage.sealForm(purposeOf(scene, who))
  const { client, target } = request
  const shown = { action, formToken, person: who.person, leadsTo: client.source }
  const { pending, unknown, foreign, alone, nothing } = STRINGS.stopped
  if (standing.kind === 'stopped') {
    const text = { pending, unknown, foreign, alone }[standing.why]
    const mayAsk = standing.why === 'unknown' && client.isDynamic
    return toResponse(stoppedPage({ ...shown, text, mayAsk }))
  }
  if (offer.scopes.length === 0) return toResponse(stoppedPage({ ...shown, text: nothing, mayAsk: false }))
  const server = await stage.store.db
    .selectFrom('server')
    .select(['name', 'url'])
    .where('id', '=', target.server)
    .executeTakeFirstOrThrow()
  return toResponse(
    consentPage({
      ...shown,
      ...{ server, offer, fault, host: client.host },
      agent: { name: agent, isVerified: !client.isDynamic, isNew: standing.kind === 'new' },
    }),
  )
}

async function answer(scene: Scene, who: SignedIn, form: Form): Promise<Response> {
  const { c, stage, requests, request, path } = scene
  const { incoming, outgoing } = c.env
  switch (form.one('action')) {
    case 'sign-out':
      return stage.signOut(c, who, path)
    case 'deny':
      return redirectTo(await requests.deny(incoming, outgoing))
    case 'ask': {
      const { standing } = await readSituation(scene, who)
      if (standing.kind !== 'stopped' || standing.why !== 'unknown' || !request.client.isDynamic)
        return refuseForm()
      return ask(scene, who)
    }
    case 'allow':
      return allow(scene, who, form)
    default:
      return refuseForm()
  }
}

/** Puts an unknown client before the administrators, as an agent that waits. */
async function ask(scene: Scene, who: SignedIn): Promise<Response> {
  const { organization } = who.person
  const agent = await asOneChange(contextOf(scene, who), [organization.id], ctx =>
    adopt(ctx, scene.request, who.person, null),
  )
  const text = STRINGS.stopped.asked(agent.name)
  return toResponse(messagePage({ title: STRINGS.stopped.title, text, status: 202 }))
}

async function allow(scene: Scene, who: SignedIn, form: Form): Promise<Response> {
  const { c, requests, request } = scene
  const { incoming, outgoing } = c.env
  const situation = await readSituation(scene, who)
  const { standing, offer } = situation
  const lifeMs = DURATIONS[form.one('duration')]
  if (standing.kind === 'stopped' || lifeMs === undefined) return refuseForm()
  const ticked = form.all('scope')
  const scopes = offer.scopes.map(({ slug }) => slug).filter(slug => ticked.includes(slug))
  if (scopes.length === 0) return showConsent(scene, who, 'nothing')
  const chosen = form.all('resource')
  const isSome = offer.resources.length > 0 && form.one('reach') !== 'all'
  const resources = offer.resources.map(({ ref }) => ref).filter(ref => isSome && chosen.includes(ref))
  if (isSome && resources.length === 0) return showConsent(scene, who, 'nowhere')
  const grant = await grantOnce(scene, who, { standing, scopes, resources, lifeMs })
  if (grant === undefined) return whenAnswered(scene)
  const { isOffline } = request
  return redirectTo(
    await requests.allow(incoming, outgoing, { person: who.person.id, grant, scopes, isOffline }),
  )
}

/** Makes the grant, and the agent where there is none, as one change; undefined where this request has its answer. */
async function grantOnce(
  scene: Scene,
  who: SignedIn,
  consent: { standing: Standing; scopes: string[]; resources: string[]; lifeMs: number },
): Promise<string | undefined> {
  const { request, stage } = scene
  const { person } = who
  const { standing, scopes, resources, lifeMs } = consent
  const context = contextOf(scene, who)
  const isLending = standing.kind === 'new' || (standing.kind === 'agent' && standing.ceiling === null)
  const lent = isLending ? await readLent(context, person, scopes) : []
  const expiresAt = isoTime(stage.now() + lifeMs)
  return asOneChange(context, [person.organization.id], async ctx => {
    const first = await ctx.store.db
      .insertInto('replay')
      .values({ id: `consent:${request.id}`, expiresAt: stage.now() + HOUR_MS })
      .onConflict(conflict => conflict.doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!first) return undefined
    const agent = request.caller?.agent ?? (await adopt(ctx, request, person, scopes)).id
    const organization = person.organization.id
    const input = { organization, agent, person: person.id, scopes, resources, expiresAt }
    const grant = await createGrant(ctx, input, 'consent')
    await noteConsent(ctx, who.session.id, grant.id)
    if (isLending) await lend(ctx, { agent, person, scopes, lent, grant: grant.id, expiresAt })
    return grant.id
  })
}

/** Goes where the answer leads that was given by another click. */
async function whenAnswered({ c, requests, path }: Scene): Promise<Response> {
  const { incoming, outgoing } = c.env
  for (const until = Date.now() + ANSWER_WAIT_MS; Date.now() < until; ) {
    const request = await requests.find(incoming, outgoing)
    if (!request) return expired()
    if (request.answered !== null) return redirectTo(request.answered)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  return redirectTo(path)
}
