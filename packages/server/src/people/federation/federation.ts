import { admit, type ProviderRow } from '../../directory/index.ts'
import { findPerson } from '../account/person.ts'
import { leavePage } from '../pages/federation.ts'
import { wordsFor } from '../pages/languages.ts'
import { toResponse } from '../pages/layout.ts'
import type { Ask } from '../sign-in/parts.ts'
import { textOfSaid } from './kept-said.ts'
import { forgetPending } from './pending.ts'
import { begin, logoutUrl } from './provider-side.ts'
import { refuse, refuseForNow } from './refusal.ts'
import { FederationError, type Said } from './said.ts'
import { findFederated } from './sessions.ts'
import { type FederationSite, triesOf } from './site.ts'

/** Leads a browser to a provider, from where it comes back to `next`. */
export async function leaveFor(
  site: FederationSite,
  c: Ask,
  provider: ProviderRow,
  { email, next, isFresh = false }: { email: string; next: string; isFresh?: boolean },
): Promise<Response> {
  const pending = { provider: provider.id, next, beganAt: site.now(), isFresh }
  const tries = triesOf(site, c)
  // A provider that does not answer is not asked for ever.
  if (!(await site.limit.take(tries))) return refuseForNow(c)
  try {
    const { url, cookie } = await begin(site, provider, pending, email)
    await site.limit.forgive(tries)
    // A page that goes on by itself: a form may lead to our own pages only.
    const words = wordsFor(c.req.header('accept-language'))
    return toResponse(leavePage({ words, title: provider.title, url, cookies: [cookie] }))
  } catch (fault) {
    return refuse(site, c, provider, fault, next)
  }
}

/** Lets somebody in whom a provider has named, if we take its word. */
export async function admitSaid(
  site: FederationSite,
  c: Ask,
  provider: ProviderRow,
  said: Said,
  { next, key, isFresh = false }: { next: string; key?: string; isFresh?: boolean },
): Promise<Response> {
  const { store, now } = site
  const actor = { id: provider.id, name: provider.name, permissions: [] }
  const admission = await admit({ store, now, actor }, provider, said.assertion)
  const person = 'person' in admission && (await findPerson(store.db, admission.person))
  if (!person) {
    const reason = 'refused' in admission ? admission.refused : 'person_inactive'
    return refuse(site, c, provider, new FederationError(reason), next)
  }
  const proof = { methods: [provider.kind], secondFactor: said.secondFactor }
  const response = await site.enter(c, person, proof, {
    next,
    said: textOfSaid(provider, person.id, said, now()),
    // Whom it had to ask it has asked: that was held against what it said.
    provedAt: isFresh ? now() : Math.min(said.authenticatedAt ?? 0, now()),
  })
  if (key !== undefined) response.headers.append('set-cookie', forgetPending(site, key))
  return response
}

/** Where a browser goes after it was signed out here: to the provider that its session began at, where that offers it. */
export async function afterSignOut(
  site: FederationSite,
  c: Ask,
  session: string,
): Promise<((cookies: string[]) => Response) | undefined> {
  const found = await findFederated(site.store, session)
  if (!found) return undefined
  const { provider, logout } = found
  const url = await logoutUrl(site, provider, logout).catch(fault => {
    // Signed out here all the same; the provider cannot be asked.
    site.onFault(fault, site.newReference())
    return undefined
  })
  if (url === undefined) return undefined
  const words = wordsFor(c.req.header('accept-language'))
  return cookies => toResponse(leavePage({ words, title: provider.title, url, cookies, isSignOut: true }))
}
