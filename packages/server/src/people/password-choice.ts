import type { Hono } from 'hono'
import { record } from '../audit/index.ts'
import { endSessions } from '../directory/index.ts'
import type { Tx } from '../store/index.ts'
import { findInvited, useInvitation } from './invitation.ts'
import { findLink, mailLink, useLink } from './mailed-link.ts'
import { messagePage, refuseForm } from './pages/account.ts'
import { toResponse } from './pages/layout.ts'
import { forgottenPage, passwordPage } from './pages/password.ts'
import { STRINGS } from './pages/strings.ts'
import { findPasswordFault } from './password.ts'
import { findHome, type Person } from './person.ts'
import type { Ask, Env } from './sign-in.ts'
import type { Stage } from './stage.ts'

/** A kind of link by which somebody chooses a password. */
interface Link {
  path: 'invitation' | 'sign-in/password'
  find(c: Ask, secret: string): Promise<Person | undefined>
  /** Uses it up; false where somebody was faster. */
  use(tx: Tx, secret: string, person: Person): Promise<boolean>
  gone: string
}

/** Choosing a password: by an invitation, or by a link that was mailed to who has forgotten the old one. */
export function addPasswordChoice(app: Hono<Env>, stage: Stage): void {
  const { store, now } = stage
  addChoice(app, stage, {
    path: 'invitation',
    find: (_, secret) => findInvited(store, secret, now()),
    use: (tx, secret) => useInvitation(tx, secret, now()),
    gone: STRINGS.invitation.gone,
  })
  addChoice(app, stage, {
    path: 'sign-in/password',
    find: async (c, secret) => (await findLink(stage, c, 'password', secret))?.person,
    use: useLink,
    gone: STRINGS.link.gone,
  })
  addForgotten(app, stage)
}

function addChoice(app: Hono<Env>, stage: Stage, link: Link): void {
  const { store, base, now, accounts } = stage
  const words = STRINGS.invitation
  const gone = () => toResponse(messagePage({ title: STRINGS.stopped.title, text: link.gone, status: 404 }))
  const show = (secret: string, person: Person, fault?: keyof typeof words.faults) => {
    const action = `${base}/${link.path}/${encodeURIComponent(secret)}`
    const formToken = stage.sealForm(`${link.path}:${secret}`)
    return toResponse(passwordPage({ action, person, fault, formToken }))
  }
  app.get(`/${link.path}/:secret`, async c => {
    const secret = c.req.param('secret') ?? ''
    const person = await link.find(c, secret)
    return person ? show(secret, person) : gone()
  })
  app.post(`/${link.path}/:secret`, async (c: Ask) => {
    const secret = c.req.param('secret') ?? ''
    const form = await stage.readForm(c)
    if (!form || !stage.isOwnForm(`${link.path}:${secret}`, form)) return refuseForm()
    const person = await link.find(c, secret)
    if (!person) return gone()
    const password = form.one('password')
    if (password !== form.one('again')) return show(secret, person, 'different')
    const fault = await findPasswordFault(password, namesOf(person))
    if (fault) return show(secret, person, fault)
    const isFirst = await store.write(async tx => {
      if (!(await link.use(tx, secret, person))) return false
      await notePassword(tx, person, link.path === 'invitation' ? 'invitation' : 'mail', now())
      return true
    })
    if (!isFirst) return gone()
    await accounts.setPassword(person, password)
    stage.tell(person, 'password')
    return toResponse(messagePage({ title: STRINGS.signIn.title, text: words.done }))
  })
}

function addForgotten(app: Hono<Env>, stage: Stage): void {
  const { store, base } = stage
  const place = { path: `${base}/sign-in/forgotten`, purpose: 'forgotten' }
  const show = async (fault?: 'tooMany' | 'notThisWay') => {
    const asksOrganization = (await findHome(store.db, undefined)) === undefined
    const formToken = stage.sealForm('forgotten')
    return toResponse(forgottenPage({ action: place.path, formToken, asksOrganization, fault }))
  }
  app.get('/sign-in/forgotten', () => (stage.mailer ? show() : show('notThisWay')))
  app.post('/sign-in/forgotten', async c => {
    const form = await stage.readForm(c)
    if (!form || !stage.isOwnForm('forgotten', form)) return refuseForm()
    const organization = form.one('organization')
    const home = await findHome(store.db, organization === '' ? undefined : organization)
    if (home && !home.policy.methods.includes('password')) return show('notThisWay')
    const account = `${home?.id ?? organization}\n${form.one('email').trim().toLowerCase()}`
    const address = stage.addressOf(c.env.incoming)
    const request = { c, place, form, next: `${base}/account`, home, account, address }
    return mailLink(stage, request, show, 'password')
  })
}

/** Records that somebody set a password, and ends what was signed in by the old one. */
export async function notePassword(
  tx: Tx,
  { id, organization }: Person,
  by: 'invitation' | 'mail' | 'person',
  now: number,
): Promise<void> {
  await endSessions(tx, id)
  const event = { organization: organization.id, type: 'person.password_set', actor: id, target: id }
  await record(tx, { ...event, detail: { by } }, now)
}

/** What a password must not be close to. */
export function namesOf({ name, email, organization }: Person): string[] {
  return [email, email.split('@')[0] ?? '', name, organization.slug, organization.name]
}
