import type { Hono } from 'hono'
import { asOneChange } from '../../directory/index.ts'
import type { OpenRequest } from '../../oauth/index.ts'
import type { Form } from '../form.ts'
import { messagePage, refuseForm } from '../pages/account.ts'
import { type Words, wordsFor } from '../pages/languages.ts'
import { redirectTo, toResponse } from '../pages/layout.ts'
import type { Ask, Env } from '../sign-in/parts.ts'
import type { Stage } from '../stage.ts'
import { adopt } from './adoption.ts'
import { allow, passOn } from './answer.ts'
import { type ConsentOptions, placeOf, purposeOf, type Scene, type Visit, visitOf } from './scene.ts'
import { isSettled, readSituation } from './situation.ts'
import { readChoice } from './terms.ts'
import { showConsent } from './view.ts'

/** The page on which a person answers what an agent asks: signs in first, then allows some of it, or nothing. */
export function addInteraction(app: Hono<Env>, stage: Stage, options: ConsentOptions): void {
  const { requests, waiting } = options
  addAnswering(app, stage, options, 'interaction', c => requests.at(c.env.incoming, c.env.outgoing))
  addAnswering(app, stage, options, 'waiting', c => waiting.at(c.req.param('id') ?? ''))
}

function addAnswering(
  app: Hono<Env>,
  stage: Stage,
  { mayAdopt }: ConsentOptions,
  place: 'interaction' | 'waiting',
  openAt: (c: Ask) => OpenRequest,
): void {
  const setScene = async (c: Ask): Promise<Scene | Response> => {
    const words = wordsFor(c.req.header('accept-language'))
    const open = openAt(c)
    const request = await open.find()
    if (!request || request.id !== c.req.param('id')) return ended(words)
    if (request.answered !== null) return redirectTo(request.answered)
    return { mayAdopt, c, stage, words, open, request, path: `${stage.base}/${place}/${request.id}` }
  }
  app.get(`/${place}/:id`, async c => {
    const scene = await setScene(c)
    if (scene instanceof Response) return scene
    const visit = await visitBy(scene)
    if (!visit) return toResponse(await stage.showSignIn(placeOf(scene)))
    if (isForSomebodyElse(visit)) return ended(scene.words)
    const situation = await readSituation(visit)
    // What was agreed to before is passed on; nothing is agreed to here.
    return isSettled(visit, situation) ? passOn(visit, situation) : showConsent(visit, situation)
  })
  app.post(`/${place}/:id`, async c => {
    const scene = await setScene(c)
    if (scene instanceof Response) return scene
    const form = await stage.readForm(c)
    if (!form) return refuseForm(c)
    if (form.one('action') === 'sign-in') return stage.signIn(c, placeOf(scene), form, scene.path)
    const visit = await visitBy(scene)
    if (!visit || isForSomebodyElse(visit) || !stage.isOwnForm(purposeOf(visit), form)) return refuseForm(c)
    return answer(visit, form)
  })
}

/** The same for a request that is over, that never was, and that is somebody else's. */
function ended(words: Words): Response {
  const { title, expired: text } = words.stopped
  return toResponse(messagePage({ words, title, text, status: 400 }))
}

function isForSomebodyElse({ request, person }: Visit): boolean {
  return request.onlyFor !== null && request.onlyFor !== person.id
}

/** The visit of whoever is signed in, and was so late enough for this request. */
async function visitBy(scene: Scene): Promise<Visit | undefined> {
  const { c, stage, request } = scene
  const who = await stage.whoIs(c)
  const isLate = request.signInAfter === null || (who?.session.provedAt ?? 0) >= request.signInAfter
  if (!who || !isLate) return undefined
  const { open } = scene
  return visitOf({ ...scene, request: await open.within(request, who.person.organization.id) }, who)
}

async function answer(visit: Visit, form: Form): Promise<Response> {
  const { c, stage, open, person, path } = visit
  switch (form.one('action')) {
    case 'sign-out':
      return stage.signOut(c, visit, path)
    case 'deny':
      return redirectTo(await open.deny({ person: person.id, organization: person.organization.id }))
    case 'ask':
      return ask(visit)
    case 'find':
      return showConsent(visit, await readSituation(visit), readChoice(form))
    case 'review':
      return showConsent(visit, await readSituation(visit), 'review')
    case 'allow':
      return allow(visit, readChoice(form))
    default:
      return refuseForm(c)
  }
}

/** Puts an unknown client before the administrators, as an agent that waits. */
async function ask(visit: Visit): Promise<Response> {
  const { c, ctx, request, person, words } = visit
  const { standing } = await readSituation(visit)
  if (standing.kind !== 'stopped' || standing.why !== 'unknown' || !standing.mayAsk) return refuseForm(c)
  const agent = await asOneChange(ctx, [person.organization.id], one => adopt(one, request, person, null))
  const { title, asked } = words.stopped
  return toResponse(messagePage({ words, title, text: asked(agent.name), status: 202 }))
}
