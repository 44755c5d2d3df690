import { admit, findProvider, type ProviderRow, secretPlace } from '../../directory/index.ts'
import { findPerson, type Person } from '../account/person.ts'
import type { Proof } from '../factor/proof.ts'
import { messagePage } from '../pages/account.ts'
import { leavePage } from '../pages/federation.ts'
import { wordsFor } from '../pages/languages.ts'
import { toResponse } from '../pages/layout.ts'
import type { Ask, Origin, SignInParts } from '../sign-in/sign-in.ts'
import { networkOf, type Try } from '../sign-in/sign-in-limit.ts'
import type { Onward } from '../sign-in/ticket.ts'
import { forgetPending, keepPending, type Pending, readPending } from './pending.ts'
import { causeOf, reasonOf } from './refusal.ts'
import { FederationError, type Said } from './said.ts'
import type { SamlSelf } from './saml.ts'
import { copySession, findFederated, noteSession, type SaidOfSession } from './sessions.ts'

/** Signing in and out at the identity providers of organizations. */
export type Federation = ReturnType<typeof createFederation>

/** OIDC and SAML are loaded when somebody first comes to sign in there. */
export const loadOidc = () => import('./oidc.ts')
export const loadSaml = () => import('./saml.ts')

/** What signing in elsewhere rests on here. */
export interface FederationSite extends SignInParts {
  newReference(): string
  enter(c: Ask, person: Person, proof: Proof, onward: Onward): Promise<Response>
}

export function createFederation(stage: FederationSite) {
  const { store, issuer, now } = stage
  const site = { store, base: stage.base, isSecure: issuer.startsWith('https:') }

  /** Leads a browser to a provider, from where it comes back to `next`. */
  async function start(
    c: Ask,
    provider: ProviderRow,
    { email, next, isFresh = false }: { email: string; next: string; isFresh?: boolean },
  ): Promise<Response> {
    const pending = { provider: provider.id, next, beganAt: now(), isFresh }
    const tries = triesOf(c)
    // A provider that does not answer is not asked for ever.
    if (!(await stage.limit.take(tries))) return tooMany(c)
    try {
      const { url, cookie } = await begin(provider, pending, email)
      await stage.limit.forgive(tries)
      // A page that goes on by itself: a form may lead to our own pages only.
      const words = wordsFor(c.req.header('accept-language'))
      return toResponse(leavePage({ words, title: provider.title, url, cookies: [cookie] }))
    } catch (fault) {
      return refuse(c, provider, fault, next)
    }
  }

  async function begin(
    provider: ProviderRow,
    pending: Pending,
    email: string,
  ): Promise<{ url: string; cookie: string }> {
    const { isFresh } = pending
    if (provider.kind === 'oidc') {
      const redirectUri = `${issuer}/federation/${provider.id}/callback`
      const options = { redirectUri, isFresh, email, now: now() }
      const { url, kept } = await (await loadOidc()).beginOidc(opened(provider), options)
      return { url, cookie: keepPending(site, kept.state, { ...pending, oidc: kept }) }
    }
    const options = { isFresh, now: now() }
    const { url, id } = await (await loadSaml()).beginSaml(provider, selfOf(provider), options)
    return { url, cookie: keepPending(site, id, { ...pending, saml: id }) }
  }

  /** What is not from a provider counts against the network that sent it. */
  function triesOf(c: Ask): Try[] {
    return [['provider', networkOf(stage.addressOf(c.env.incoming))]]
  }

  function tooMany(c: Ask): Response {
    const words = wordsFor(c.req.header('accept-language'))
    const [{ title }, { tooMany: text }] = [words.federation, words.signIn]
    return toResponse(messagePage({ words, title, text, status: 429 }))
  }

  function gone(c: Ask): Response {
    const words = wordsFor(c.req.header('accept-language'))
    const { title, faults } = words.federation
    return toResponse(messagePage({ words, title, text: faults.provider_gone, status: 404 }))
  }

  /** A provider with its secret open. */
  function opened(row: ProviderRow) {
    const secret =
      row.sealedSecret === null ? undefined : store.secrets.open(row.sealedSecret, secretPlace(row))
    return { row, secret }
  }

  function selfOf(row: ProviderRow): SamlSelf {
    const at = `${issuer}/federation/${row.id}`
    const { secret = '' } = opened(row)
    return { entityId: `${at}/metadata`, acs: `${at}/acs`, logout: `${at}/logout`, key: secret }
  }

  /** What this browser left with; undefined where it is another one, or it took too long. */
  function recall(c: Ask, provider: ProviderRow, key: string): Pending | undefined {
    return readPending({ store }, { cookies: c.req.header('cookie'), key, provider: provider.id, now: now() })
  }

  /** Lets somebody in whom a provider has named, if we take its word. */
  async function enter(
    c: Ask,
    provider: ProviderRow,
    said: Said,
    { next, key, isFresh = false }: { next: string; key?: string; isFresh?: boolean },
  ): Promise<Response> {
    const actor = { id: provider.id, name: provider.name, permissions: [] }
    const admission = await admit({ store, now, actor }, provider, said.assertion)
    const person = 'person' in admission && (await findPerson(store.db, admission.person))
    if (!person) {
      const reason = 'refused' in admission ? admission.refused : 'person_inactive'
      return refuse(c, provider, new FederationError(reason), next)
    }
    const proof = { methods: [provider.kind], secondFactor: said.secondFactor }
    const response = await stage.enter(c, person, proof, {
      next,
      said: textOfSaid(provider, person.id, said, now()),
      // Whom it had to ask it has asked: that was held against what it said.
      provedAt: isFresh ? now() : Math.min(said.authenticatedAt ?? 0, now()),
    })
    if (key !== undefined) response.headers.append('set-cookie', forgetPending(site, key))
    return response
  }

  /** Keeps with a session what its provider said; for one that takes the place of another, what was kept with that one. */
  async function keepSaid(session: string, { said, session: before }: Origin): Promise<void> {
    if (said !== undefined) await noteSession(store, session, JSON.parse(said) as SaidOfSession, now())
    else if (before !== undefined) await copySession(store, before.id, session, now())
  }

  /** Says that it went wrong: to the person what to do and where to begin again, to the record why. A fault of ours goes on. */
  async function refuse(c: Ask, provider: ProviderRow, fault: unknown, next?: string): Promise<Response> {
    const reason = reasonOf(fault)
    if (reason === undefined) throw fault
    const reference = stage.newReference()
    const detail = {
      ...{ reason, cause: causeOf(fault), provider: provider.id, reference },
      address: stage.addressOf(c.env.incoming),
    }
    await stage.note(provider.organizationId, 'person.sign_in_refused', provider.id, detail)
    const words = wordsFor(c.req.header('accept-language'))
    const { title, faults, again } = words.federation
    const text = (faults as Record<string, string>)[reason] ?? faults.other
    const back = next ?? recall(c, provider, c.req.query('state') ?? '')?.next ?? `${stage.base}/sign-in`
    const onward = { href: back, text: again }
    return toResponse(messagePage({ words, title, text, status: 403, reference, onward }))
  }

  /** Where a browser goes after it was signed out here: to the provider that its session began at, where that offers it. */
  async function afterSignOut(
    c: Ask,
    session: string,
  ): Promise<((cookies: string[]) => Response) | undefined> {
    const found = await findFederated(store, session)
    if (!found) return undefined
    const { provider, logout } = found
    const url = await logoutUrl(provider, logout).catch(fault => {
      // Signed out here all the same; the provider cannot be asked.
      stage.onFault(fault, stage.newReference())
      return undefined
    })
    if (url === undefined) return undefined
    const words = wordsFor(c.req.header('accept-language'))
    return cookies => toResponse(leavePage({ words, title: provider.title, url, cookies, isSignOut: true }))
  }

  async function logoutUrl(provider: ProviderRow, logout: string): Promise<string | undefined> {
    if (provider.kind === 'saml')
      return (await loadSaml()).samlLogoutUrl(provider, selfOf(provider), { logout, now: now() })
    const options = { idToken: logout, returnTo: `${issuer}/sign-in`, now: now() }
    return (await loadOidc()).oidcLogoutUrl(opened(provider), options)
  }

  return {
    ...{ start, opened, selfOf, recall, enter, keepSaid, refuse, afterSignOut, triesOf, tooMany, gone },
    find: (id: string) => findProvider(store.db, id),
  }
}

/** What is kept with the session, while the person still has a second factor to show: it travels sealed. */
function textOfSaid(
  provider: ProviderRow,
  person: string,
  { signOutName, sid, logout }: Said,
  saidAt: number,
): string {
  const said: SaidOfSession = {
    ...{ organization: provider.organizationId, provider: provider.id, person },
    ...{ signOutName, sid, logout, saidAt },
  }
  return JSON.stringify(said)
}
