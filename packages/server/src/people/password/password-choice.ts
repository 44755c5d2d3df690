import type { Hono } from 'hono'
import { record } from '../../audit/index.ts'
import { endSessions, takeMailedBack } from '../../directory/index.ts'
import type { Tx } from '../../store/index.ts'
import { findInvited, useInvitation } from '../account/invitation.ts'
import { findHome, type Person } from '../account/person.ts'
import { listFactors } from '../factor/factors.ts'
import type { Form } from '../form.ts'
import { messagePage, refuseForm } from '../pages/account.ts'
import { type Words, wordsFor } from '../pages/languages.ts'
import { toResponse } from '../pages/layout.ts'
import { forgottenPage, type NewPasswordFault, passwordPage } from '../pages/password.ts'
import { recoveryCodesPage } from '../pages/second-factor.ts'
import { findLink, mailLink, useLink } from '../sign-in/mailed-link.ts'
import type { Ask, Env } from '../sign-in/parts.ts'
import type { Stage } from '../stage.ts'
import { findPasswordFault } from './password.ts'

/** A kind of link by which somebody chooses a password, or a passkey instead. */
interface Link {
  path: 'invitation' | 'sign-in/password'
  find(c: Ask, secret: string): Promise<Person | undefined>
  /** Uses it up; false where somebody was faster. */
  use(tx: Tx, secret: string, person: Person): Promise<boolean>
  gone(words: Words): string
}

/** One request by such a link. */
interface Choice {
  c: Ask
  stage: Stage
  link: Link
  secret: string
  words: Words
  person: Person
}

/** Choosing a password: by an invitation, or by a link that was mailed to who has forgotten the old one. */
export function addPasswordChoice(app: Hono<Env>, stage: Stage): void {
  const { store, now } = stage
  addChoice(app, stage, {
    path: 'invitation',
    find: (_, secret) => findInvited(store, secret, now()),
    use: (tx, secret) => useInvitation(tx, secret, now()),
    gone: ({ invitation }) => invitation.gone,
  })
  addChoice(app, stage, {
    path: 'sign-in/password',
    find: async (c, secret) => (await findLink(stage, c, 'password', secret))?.person,
    use: useLink,
    gone: ({ link }) => link.gone,
  })
  addForgotten(app, stage)
}

function addChoice(app: Hono<Env>, stage: Stage, link: Link): void {
  const setScene = async (c: Ask): Promise<Choice | Response> => {
    const words = wordsFor(c.req.header('accept-language'))
    const secret = c.req.param('secret') ?? ''
    const person = await link.find(c, secret)
    return person ? { c, stage, link, secret, words, person } : gone(words, link)
  }
  app.get(`/${link.path}/:secret`, async c => {
    const choice = await setScene(c)
    return choice instanceof Response ? choice : show(choice)
  })
  app.post(`/${link.path}/:secret`, async (c: Ask) => {
    const form = await stage.readForm(c)
    if (!form || !stage.isOwnForm(`${link.path}:${c.req.param('secret')}`, form)) return refuseForm(c)
    const choice = await setScene(c)
    if (choice instanceof Response) return choice
    return form.one('action') === 'passkey' ? keepPasskey(choice, form) : keepPassword(choice, form)
  })
}

function gone(words: Words, link: Link): Response {
  const { title } = words.stopped
  return toResponse(messagePage({ words, title, text: link.gone(words), status: 404 }))
}

async function show(choice: Choice, fault?: NewPasswordFault): Promise<Response> {
  const { stage, link, secret, words, person } = choice
  const action = `${stage.base}/${link.path}/${encodeURIComponent(secret)}`
  const formToken = stage.sealForm(`${link.path}:${secret}`)
  const takesPassword = person.policy.methods.includes('password')
  const passkey = (await mayChoosePasskey(choice)) ? await stage.passkeys?.askNew(person) : undefined
  const { base } = stage
  return toResponse(passwordPage({ words, base, action, person, fault, formToken, takesPassword, passkey }))
}

/**
 * Whether an invitation may be answered with a passkey: by who has nothing else yet, since it is two factors in one, and
 * whoever reads the mail must not get past a factor that is there.
 */
async function mayChoosePasskey({ stage, link, person }: Choice): Promise<boolean> {
  if (link.path !== 'invitation' || !person.policy.methods.includes('passkey')) return false
  return (await listFactors(stage.store.db, person.id)).length === 0
}

async function keepPassword(choice: Choice, form: Form): Promise<Response> {
  const { c, stage, link, secret, words, person } = choice
  if (!person.policy.methods.includes('password')) return refuseForm(c)
  const password = form.one('password')
  if (password !== form.one('again')) return show(choice, 'different')
  const fault = await findPasswordFault(password, namesOf(person))
  if (fault) return show(choice, fault)
  const isFirst = await stage.store.write(async tx => {
    if (!(await link.use(tx, secret, person))) return false
    await notePassword(tx, person, link.path === 'invitation' ? 'invitation' : 'mail', stage.now())
    return true
  })
  if (!isFirst) return gone(words, link)
  await replacePassword(stage, person, password)
  stage.tell(words, person, 'password')
  return toResponse(messagePage({ words, title: words.signIn.title, text: words.invitation.done }))
}

async function keepPasskey(choice: Choice, form: Form): Promise<Response> {
  const { c, stage, link, secret, words, person } = choice
  if (!(await mayChoosePasskey(choice))) return refuseForm(c)
  const done = await stage.setup.addPasskey(person, form, tx => link.use(tx, secret, person))
  if (done === 'wrong') return show(choice, 'passkey')
  if (typeof done === 'string') return gone(words, link)
  stage.tell(words, person, 'factor_added')
  const next = `${stage.base}/sign-in`
  return toResponse(recoveryCodesPage({ words, codes: done.codes, next, cookies: [] }))
}

function addForgotten(app: Hono<Env>, stage: Stage): void {
  const { store, base } = stage
  const place = { path: `${base}/sign-in/forgotten`, purpose: 'forgotten' }
  const show = async (c: Ask, fault?: 'tooMany' | 'notThisWay') => {
    const words = wordsFor(c.req.header('accept-language'))
    const asksOrganization = (await findHome(store.db, undefined)) === undefined
    const formToken = stage.sealForm('forgotten')
    return toResponse(forgottenPage({ words, action: place.path, formToken, asksOrganization, fault }))
  }
  app.get('/sign-in/forgotten', c => show(c, stage.mailer ? undefined : 'notThisWay'))
  app.post('/sign-in/forgotten', async c => {
    const form = await stage.readForm(c)
    if (!form || !stage.isOwnForm('forgotten', form)) return refuseForm(c)
    const organization = form.one('organization')
    const home = await findHome(store.db, organization === '' ? undefined : organization)
    if (home && !home.policy.methods.includes('password')) return show(c, 'notThisWay')
    const account = `${home?.id ?? organization}\n${form.one('email').trim().toLowerCase()}`
    const address = stage.addressOf(c.env.incoming)
    const request = { c, place, form, next: `${base}/account`, home, account, address }
    return mailLink(stage, request, fault => show(c, fault), 'password')
  })
}

/** Records that somebody set a password, and ends what was signed in by the old one, or could set another one by mail. */
export async function notePassword(
  tx: Tx,
  { id, organization }: Person,
  by: 'invitation' | 'mail' | 'person',
  now: number,
): Promise<void> {
  await endSessions(tx, id)
  await takeMailedBack(tx, id)
  const event = { organization: organization.id, type: 'person.password_set', actor: id, target: id }
  await record(tx, { ...event, detail: { by } }, now)
}

/**
 * Puts a password that was noted in the place of the old one. Until then the old one still signs in, since a hash takes
 * its time: sessions end once more, so that nothing is left of it.
 */
export async function replacePassword(
  { store, accounts }: Pick<Stage, 'store' | 'accounts'>,
  person: Person,
  password: string,
): Promise<void> {
  await accounts.setPassword(person, password)
  await store.write(tx => endSessions(tx, person.id))
}

/** What a password must not be close to. */
export function namesOf({ name, email, organization }: Person): string[] {
  return [email, email.split('@')[0] ?? '', name, organization.slug, organization.name]
}
