import { newId } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import type { Session } from './account/accounts.ts'
import { findPerson, type Person } from './account/person.ts'
import { createFactorSetup } from './factor/factor-setup.ts'
import { openPasskeys } from './factor/passkeys.ts'
import { judgeProof } from './factor/proof.ts'
import { createRecoveryCodes } from './factor/recovery-codes.ts'
import { createSecondFactor } from './factor/second-factor.ts'
import { afterSignOut, leaveFor } from './federation/federation.ts'
import { createRemoteKeys } from './federation/remote-keys.ts'
import { isLiveThere } from './federation/sessions.ts'
import type { FederationSite } from './federation/site.ts'
import { type Form, isFromElsewhere, isOwnForm, readForm, sealForm } from './form.ts'
import { redirectTo } from './pages/layout.ts'
import { createEntrance } from './sign-in/entrance.ts'
import type { Ask, SignInParts, SignInPlace, SignInSite, StageOptions } from './sign-in/parts.ts'
import { showSignIn, signIn } from './sign-in/sign-in.ts'
import { createSignInLimit } from './sign-in/sign-in-limit.ts'

/** Somebody who is signed in, and may be. */
export interface SignedIn {
  person: Person
  session: Session
}

/** What all pages rest on: who is signed in, signing in and out, and forms that only this browser can send. */
export type Stage = ReturnType<typeof createStage>

export function createStage(options: StageOptions) {
  const { store, accounts, issuer, secret, mailer, now, addressOf } = options
  const { origin, pathname } = new URL(issuer)
  const cookiesOf = (c: Ask) => c.req.header('cookie')
  const recoveryCodes = createRecoveryCodes(store, secret)
  const passkeys = openPasskeys(options)
  const parts: SignInParts = {
    ...options,
    base: pathname.replace(/\/$/, ''),
    limit: createSignInLimit(store, secret, now),
    recoveryCodes,
    passkeys,
    setup: createFactorSetup({ store, passkeys, recoveryCodes, now }),
    note: (organization, type, target, detail) =>
      store.write(tx => record(tx, { organization, type, actor: target, target, detail }, now())),
    tell(words, { name, email: to }, what) {
      const { subject, text, what: changes } = words.mail.changed
      if (to.includes('@')) mailer?.post({ to, subject, text: text(name, changes[what], issuer) })
    },
    readForm: async c => (isFromElsewhere(c.req.raw, origin) ? undefined : readForm(c.req.raw)),
  }

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
  const { enter, open } = createEntrance(parts, createSecondFactor(parts))
  const keysAt = createRemoteKeys(options.fetch)
  const federation: FederationSite = { ...parts, newReference, enter, keysAt }
  const site: SignInSite = {
    ...parts,
    enter,
    leaveFor: (c, provider, to) => leaveFor(federation, c, provider, to),
  }

  /** Ends the session, here and at the provider where it began, and goes on. */
  async function signOut(c: Ask, who: SignedIn | undefined, next: string): Promise<Response> {
    // Asked before the session is gone.
    const leave = who && (await afterSignOut(federation, c, who.session.id))
    const cookies = await accounts.signOut(cookiesOf(c))
    const detail = { address: addressOf(c.env.incoming) }
    if (who) await parts.note(who.person.organization.id, 'person.signed_out', who.person.id, detail)
    return leave ? leave(cookies) : redirectTo(next, cookies)
  }

  return {
    ...parts,
    ...{ enter, open, keysAt },
    showSignIn: (place: SignInPlace, extra?: Parameters<typeof showSignIn>[2]) =>
      showSignIn(parts, place, extra),
    signIn: (c: Ask, place: SignInPlace, form: Form, next: string) => signIn(site, c, place, form, next),
    whoIs,
    signOut,
    sealForm: (purpose: string) => sealForm(store.secrets, purpose, now()),
    isOwnForm: (purpose: string, form: Form) => isOwnForm(store.secrets, purpose, form, now()),
    newReference,
  }
}
