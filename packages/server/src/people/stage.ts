import { newId } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import type { Session } from './accounts.ts'
import { createFederation, type Federation } from './federation/federation.ts'
import { isLiveThere } from './federation/sessions.ts'
import { type Form, isFromElsewhere, isOwnForm, readForm, sealForm } from './form.ts'
import { redirectTo } from './pages/layout.ts'
import { findPerson, type Person } from './person.ts'
import { judgeProof } from './proof.ts'
import { type Ask, createSignIn, type Note, type StageOptions } from './sign-in.ts'

/** Somebody who is signed in, and may be. */
export interface SignedIn {
  person: Person
  session: Session
}

/** What all pages rest on: who is signed in, signing in and out, and forms that only this browser can send. */
export type Stage = ReturnType<typeof createStage>

export function createStage(options: StageOptions) {
  const { store, accounts, issuer, now, addressOf } = options
  const { origin, pathname } = new URL(issuer)
  const base = pathname.replace(/\/$/, '')
  const cookiesOf = (c: Ask) => c.req.header('cookie')
  const note: Note = (organization, type, target, detail) =>
    store.write(tx => record(tx, { organization, type, actor: target, target, detail }, now()))

  /** Who is signed in, as the organization wants it today. A person who may not sign in any more counts as nobody. */
  async function whoIs(c: Ask): Promise<SignedIn | undefined> {
    const session = await accounts.findSession(cookiesOf(c))
    const person = session && (await findPerson(store.db, session.person))
    if (!session || !person || session.epoch !== person.epoch) return undefined
    const isOver = now() >= session.signedInAt + person.policy.sessionMinutes * 60_000
    if (isOver || judgeProof(person.policy, session) !== 'enough') return undefined
    const isElsewhere = session.methods.some(method => method === 'oidc' || method === 'saml')
    return isElsewhere && !(await isLiveThere(store.db, session.id)) ? undefined : { person, session }
  }

  const newReference = () => newId('request', now())
  const { showSignIn, signIn, enter } = createSignIn(options, note, (c, provider, to) =>
    federation.start(c, provider, to),
  )
  const federation: Federation = createFederation({ ...options, base, note, newReference, enter })

  /** Ends the session, here and at the provider where it began, and goes on. */
  async function signOut(c: Ask, who: SignedIn | undefined, next: string): Promise<Response> {
    // Asked before the session is gone.
    const leave = who && (await federation.afterSignOut(who.session.id))
    const cookies = await accounts.signOut(cookiesOf(c))
    const detail = { address: addressOf(c.env.incoming) }
    if (who) await note(who.person.organization.id, 'person.signed_out', who.person.id, detail)
    return leave ? leave(cookies) : redirectTo(next, cookies)
  }

  return {
    ...options,
    base,
    note,
    whoIs,
    showSignIn,
    signIn,
    enter,
    signOut,
    /** The form of a request; undefined where another site sent it, or no form of ours looks like that. */
    readForm: async (c: Ask) => (isFromElsewhere(c.req.raw, origin) ? undefined : readForm(c.req.raw)),
    sealForm: (purpose: string) => sealForm(store.secrets, purpose, now()),
    isOwnForm: (purpose: string, form: Form) => isOwnForm(store.secrets, purpose, form, now()),
    newReference,
    federation,
  }
}
