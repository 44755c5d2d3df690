import { Hono } from 'hono'
import type { AuthorizationRequests } from '../oauth/index.ts'
import type { Evidence } from './agents/read.ts'
import { addAgents } from './agents/routes.ts'
import { addInteraction } from './consent/interaction.ts'
import { addFederation } from './federation/routes.ts'
import { findInvited, redeem } from './invitation.ts'
import { accountPage, messagePage, refuseForm } from './pages/account.ts'
import { invitationPage } from './pages/invitation.ts'
import { redirectTo, toResponse } from './pages/layout.ts'
import { STRINGS } from './pages/strings.ts'
import { findPasswordFault } from './password.ts'
import type { Ask, Env, StageOptions } from './sign-in.ts'
import { createStage, type Stage } from './stage.ts'

/** The pages for people, below the issuer's path. */
export interface Pages {
  serves(path: string): boolean
  app: Hono<Env>
}

export interface PagesOptions extends StageOptions {
  requests: AuthorizationRequests
  /** Whether a consenting person may take on an agent that nobody knows yet. */
  mayAdopt: boolean
  evidence: Evidence
}

const PATHS =
  /^\/(sign-in|sign-out|account|agents(\/[^/]+){0,2}|(invitation|interaction)\/[^/]+|federation\/[^/]+\/[a-z-]+)$/

/** Puts the pages up: signing in and out, and setting a password by invitation. GET changes nothing, anywhere. */
export function createPages(options: PagesOptions): Pages {
  const stage = createStage(options)
  const app = new Hono<Env>()
  app.onError(fault => trouble(stage, fault))
  addSignIn(app, stage)
  addInvitation(app, stage)
  addInteraction(app, stage, options)
  addAgents(app, stage, options.evidence)
  addFederation(app, stage, stage.federation)
  return { serves: path => PATHS.test(path), app }
}

function trouble(stage: Stage, fault: unknown): Response {
  const reference = stage.newReference()
  stage.onFault(fault, reference)
  const { title, trouble: text } = STRINGS.stopped
  return toResponse(messagePage({ title, text, status: 503, reference }))
}

function addSignIn(app: Hono<Env>, stage: Stage): void {
  const { base } = stage
  const place = { path: `${base}/sign-in`, purpose: 'account' }
  app.get('/sign-in', async c => {
    if (await stage.whoIs(c)) return redirectTo(`${base}/account`)
    return toResponse(await stage.showSignIn(place))
  })
  app.post('/sign-in', async c => {
    const form = await stage.readForm(c)
    return form ? stage.signIn(c, place, form, `${base}/account`) : refuseForm()
  })
  app.get('/account', async c => {
    const who = await stage.whoIs(c)
    if (!who) return redirectTo(`${base}/sign-in`)
    const formToken = stage.sealForm(`sign-out:${who.session.id}`)
    return toResponse(accountPage({ base, person: who.person, formToken }))
  })
  app.post('/sign-out', async c => {
    const form = await stage.readForm(c)
    const who = await stage.whoIs(c)
    if (!form) return refuseForm()
    if (!who) return redirectTo(`${base}/sign-in`)
    if (!stage.isOwnForm(`sign-out:${who.session.id}`, form)) return refuseForm()
    return stage.signOut(c, who, `${base}/sign-in`)
  })
}

function addInvitation(app: Hono<Env>, stage: Stage): void {
  const words = STRINGS.invitation
  const gone = () => toResponse(messagePage({ title: STRINGS.stopped.title, text: words.gone, status: 404 }))
  const show = (
    secret: string,
    person: Parameters<typeof invitationPage>[0]['person'],
    fault?: keyof typeof words.faults,
  ) => {
    const action = `${stage.base}/invitation/${encodeURIComponent(secret)}`
    return toResponse(
      invitationPage({ action, person, fault, formToken: stage.sealForm(`invitation:${secret}`) }),
    )
  }
  app.get('/invitation/:secret', async c => {
    const secret = c.req.param('secret')
    const person = await findInvited(stage.store, secret, stage.now())
    return person ? show(secret, person) : gone()
  })
  app.post('/invitation/:secret', async (c: Ask) => {
    const secret = c.req.param('secret') ?? ''
    const form = await stage.readForm(c)
    if (!form || !stage.isOwnForm(`invitation:${secret}`, form)) return refuseForm()
    const person = await findInvited(stage.store, secret, stage.now())
    if (!person) return gone()
    const password = form.one('password')
    if (password !== form.one('again')) return show(secret, person, 'different')
    const fault = findPasswordFault(password, namesOf(person))
    if (fault) return show(secret, person, fault)
    if (!(await redeem(stage.store, secret, person, stage.now()))) return gone()
    await stage.accounts.setPassword(person, password)
    return toResponse(messagePage({ title: STRINGS.signIn.title, text: words.done }))
  })
}

function namesOf({
  name,
  email,
  organization,
}: {
  name: string
  email: string
  organization: { slug: string }
}) {
  return [email, email.split('@')[0] ?? '', name, organization.slug]
}
