import { Hono } from 'hono'
import { routePath } from 'hono/route'
import type { Outbox } from '../mail/index.ts'
import { addAccount } from './account/account.ts'
import { againPlace } from './account/account-scene.ts'
import type { Evidence } from './agents/read.ts'
import { addAgents } from './agents/routes.ts'
import { addInteraction } from './consent/interaction.ts'
import type { ConsentOptions } from './consent/scene.ts'
import { addDevice } from './consent/waiting.ts'
import { addSecondFactor } from './factor/second-factor.ts'
import { addFederation } from './federation/routes.ts'
import { addOutbox } from './outbox.ts'
import { messagePage, refuseForm } from './pages/account.ts'
import { type Words, wordsFor } from './pages/languages.ts'
import { redirectTo, toResponse } from './pages/layout.ts'
import { PASSKEY_PATH, PASSKEY_SCRIPT } from './pages/passkey.ts'
import { addChangePassword } from './password/password-change.ts'
import { addPasswordChoice } from './password/password-choice.ts'
import type { Env, StageOptions } from './sign-in/parts.ts'
import { addSignInLink } from './sign-in/sign-in-link.ts'
import { createStage, type Stage } from './stage.ts'

/** The pages for people, below the issuer's path. */
export interface Pages {
  serves(path: string): boolean
  app: Hono<Env>
}

export interface PagesOptions extends StageOptions, ConsentOptions {
  evidence: Evidence
  /** Told of pages that say no: which one by its pattern, since the path of some is a secret. */
  onRefusal(refusal: { reference: string; status: number; route: string }): void
  /** Where mails stay on a machine for trying things out. */
  outbox: Outbox | undefined
}

const PATHS =
  /^\/(sign-in(\/[a-z-]+){0,2}|sign-in\/(link|password)\/[^/]+|sign-out|agents(\/[^/]+){0,2}|account(\/[a-z]+)?|(invitation|interaction|waiting)\/[^/]+|device|answered|federation\/[^/]+\/[a-z-]+|passkey-[0-9a-f]+\.js|outbox)$/

/** Puts the pages up: signing in and out, and setting a password by invitation. GET changes nothing, anywhere. */
export function createPages(options: PagesOptions): Pages {
  const stage = createStage(options)
  const app = new Hono<Env>()
  app.use(async (c, next) => {
    await next()
    const reference = c.res.headers.get('x-request-id')
    if (reference !== null && c.res.status < 500)
      options.onRefusal({ reference, status: c.res.status, route: routePath(c, -1) })
  })
  app.onError((fault, c) => trouble(stage, fault, wordsFor(c.req.header('accept-language'))))
  addSignIn(app, stage)
  addSecondFactor(app, stage, stage.enter)
  addSignInLink(app, stage, stage.enter)
  addPasswordChoice(app, stage)
  addAccount(app, stage)
  addChangePassword(app, stage)
  addScript(app)
  if (options.outbox) addOutbox(app, options.outbox)
  addInteraction(app, stage, options)
  addDevice(app, stage, options)
  addAgents(app, stage, options)
  addFederation(app, stage)
  return { serves: path => PATHS.test(path), app }
}

function trouble(stage: Stage, fault: unknown, words: Words): Response {
  const reference = stage.newReference()
  stage.onFault(fault, reference)
  const { title, trouble: text } = words.stopped
  return toResponse(messagePage({ words, title, text, status: 503, reference }))
}

function addSignIn(app: Hono<Env>, stage: Stage): void {
  const { base } = stage
  const place = { path: `${base}/sign-in`, purpose: 'account' }
  app.get('/sign-in', async c => {
    if (await stage.whoIs(c)) return redirectTo(`${base}/account`)
    const words = wordsFor(c.req.header('accept-language'))
    return toResponse(await stage.showSignIn({ words, ...place }))
  })
  app.post('/sign-in', async c => {
    const form = await stage.readForm(c)
    return form ? stage.signIn(c, place, form, `${base}/account`) : refuseForm(c)
  })
  const again = againPlace(stage)
  app.get('/sign-in/again', async c => {
    const words = wordsFor(c.req.header('accept-language'))
    return toResponse(await stage.showSignIn({ words, ...again }))
  })
  app.post('/sign-in/again', async c => {
    const form = await stage.readForm(c)
    return form ? stage.signIn(c, again, form, `${base}/account`) : refuseForm(c)
  })
  app.post('/sign-out', async c => {
    const form = await stage.readForm(c)
    const who = await stage.whoIs(c)
    if (!form) return refuseForm(c)
    if (!who) return redirectTo(`${base}/sign-in`)
    if (!stage.isOwnForm(`account:${who.session.id}`, form)) return refuseForm(c)
    return stage.signOut(c, who, `${base}/sign-in`)
  })
}

/** The script that passkeys need, under an address that changes with it. */
function addScript(app: Hono<Env>): void {
  const headers = {
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
  }
  app.get(PASSKEY_PATH, () => new Response(PASSKEY_SCRIPT, { headers }))
}
