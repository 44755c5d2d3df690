import type { Hono } from 'hono'
import { record } from '../../audit/index.ts'
import { countRecoveryCodes, listFactors, removeFactor } from '../factor/factors.ts'
import type { Method } from '../factor/proof.ts'
import type { Form } from '../form.ts'
import { refuseForm } from '../pages/account.ts'
import { redirectTo, toResponse } from '../pages/layout.ts'
import { type AccountView, accountPage, addAppPage, addPasskeyPage } from '../pages/my-account.ts'
import { recoveryCodesPage, type SecondFactorFault } from '../pages/second-factor.ts'
import type { Env } from '../sign-in/parts.ts'
import type { Try } from '../sign-in/sign-in-limit.ts'
import { signOutEverywhere } from '../sign-in/sign-out.ts'
import type { Stage } from '../stage.ts'
import { type AccountScene, goOn, isDone, onForm, onPage, whenFresh } from './account-scene.ts'

/** The pages on which people see and change how they sign in, and where they are signed in. */
export function addAccount(app: Hono<Env>, stage: Stage): void {
  app.get(
    '/account',
    onPage(stage, scene => {
      const done = scene.c.req.query('done')
      return showAccount(scene, { done: isDone(done) ? done : undefined })
    }),
  )
  app.post(
    '/account',
    onForm(stage, (scene, form) => {
      const [name = '', subject = ''] = form.one('action').split(' ', 2)
      const act = ACTS.get(name)
      return act ? act(scene, subject) : Promise.resolve(refuseForm(scene.c))
    }),
  )
  app.get('/account/app', onPage(stage, whenFresh(showApp)))
  app.post('/account/app', onForm(stage, whenFresh(addApp)))
  app.get(
    '/account/passkey',
    onPage(
      stage,
      whenFresh(scene => showPasskey(scene)),
    ),
  )
  app.post('/account/passkey', onForm(stage, whenFresh(addPasskey)))
}

async function showAccount(
  { stage, words, person, session, formToken }: AccountScene,
  extra: Pick<AccountView, 'done' | 'fault'> = {},
): Promise<Response> {
  const { store, base, accounts, passkeys } = stage
  const sessions = await accounts.listSessions(person.id)
  const page = accountPage({
    ...{ words, base, person, formToken, here: session.id, ...extra },
    factors: await listFactors(store.db, person.id),
    codesLeft: await countRecoveryCodes(store.db, person.id),
    sessions: sessions.filter(({ epoch }) => epoch === person.epoch),
    may: { changePassword: person.policy.methods.includes('password'), addPasskey: passkeys !== undefined },
  })
  return toResponse(page)
}

/** What the buttons of the account page do, each with what it is about. */
const ACTS = new Map<string, (scene: AccountScene, subject: string) => Promise<Response>>([
  ['remove-factor', whenFresh(dropFactor)],
  ['recovery-codes', whenFresh(renewCodes)],
  ['end-session', endSession],
  ['end-sessions', endAllSessions],
])

async function dropFactor(scene: AccountScene, factor: string): Promise<Response> {
  const { stage, words, person } = scene
  const factors = await listFactors(stage.store.db, person.id)
  if (!factors.some(({ id }) => id === factor)) return redirectTo(`${stage.base}/account`)
  const isLast = factors.length === 1 && person.policy.secondFactor === 'required'
  if (isLast) return showAccount(scene, { fault: 'last' })
  const whose = { id: person.id, organizationId: person.organization.id }
  const by = { actor: person.id, reason: '', now: stage.now() }
  await stage.store.write(tx => removeFactor(tx, whose, factor, by))
  stage.tell(words, person, 'factor_removed')
  return goOn(scene, {}, 'removed')
}

async function renewCodes({ stage, words, person }: AccountScene): Promise<Response> {
  const { store, recoveryCodes, base, now } = stage
  const { id, organization } = person
  if ((await listFactors(store.db, id)).length === 0) return redirectTo(`${base}/account`)
  const codes = await store.write(async tx => {
    const made = await recoveryCodes.renew(tx, person)
    const event = { organization: organization.id, type: 'person.recovery_codes_made', actor: id, target: id }
    await record(tx, event, now())
    return made
  })
  stage.tell(words, person, 'recovery_codes')
  return toResponse(recoveryCodesPage({ words, codes, next: `${base}/account`, cookies: [] }))
}

async function endSession({ stage, person, session }: AccountScene, other: string): Promise<Response> {
  const { accounts, base, note } = stage
  if (other !== session.id && (await accounts.endSession(person.id, other)))
    await note(person.organization.id, 'person.session_ended', person.id, { session: other })
  return redirectTo(`${base}/account?done=session`)
}

async function endAllSessions({ c, stage, person }: AccountScene): Promise<Response> {
  const { accounts, base, store, now } = stage
  const whose = { id: person.id, organizationId: person.organization.id }
  const by = { actor: person.id, reason: '', now: now() }
  await store.write(tx => signOutEverywhere(tx, whose, by))
  return redirectTo(`${base}/sign-in`, await accounts.signOut(c.req.header('cookie')))
}

async function showApp({ stage, words, person, formToken }: AccountScene): Promise<Response> {
  const { base, setup } = stage
  return toResponse(await addAppPage({ words, base, person, formToken, offer: setup.offerApp(person) }))
}

async function addApp(scene: AccountScene, form: Form): Promise<Response> {
  const { stage, words, person, formToken } = scene
  const { base, setup, limit } = stage
  const offer = setup.readOffer(person, form)
  if (!offer) return refuseForm(scene.c)
  const again = async (fault: SecondFactorFault) =>
    toResponse(await addAppPage({ words, base, person, formToken, offer, fault }))
  const tries: Try[] = [['code', person.id]]
  if (!(await limit.take(tries))) return again('tooMany')
  const done = await setup.addApp(person, offer, form.one('code'))
  if (typeof done === 'string') return again(done)
  await limit.forgive(tries)
  return afterSetUp(scene, 'totp', done.codes)
}

async function showPasskey(
  scene: AccountScene,
  fault?: Exclude<SecondFactorFault, 'tooMany'>,
): Promise<Response> {
  const { stage, words, person, formToken } = scene
  const request = await stage.passkeys?.askNew(person)
  if (!request) return redirectTo(`${stage.base}/account`)
  return toResponse(addPasskeyPage({ words, base: stage.base, person, formToken, request, fault }))
}

async function addPasskey(scene: AccountScene, form: Form): Promise<Response> {
  const done = await scene.stage.setup.addPasskey(scene.person, form)
  return typeof done === 'string' ? showPasskey(scene, done) : afterSetUp(scene, 'passkey', done.codes)
}

/** Goes on in a session that says what was shown just now; the first time with recovery codes. */
async function afterSetUp(scene: AccountScene, method: Method, codes: string[]): Promise<Response> {
  const { stage, words, person, session } = scene
  stage.tell(words, person, 'factor_added')
  const shown = { methods: [...session.methods, method], secondFactor: true }
  const entered = await goOn(scene, shown, 'added')
  if (codes.length === 0) return entered
  const cookies = entered.headers.getSetCookie()
  return toResponse(recoveryCodesPage({ words, codes, next: `${stage.base}/account`, cookies }))
}
