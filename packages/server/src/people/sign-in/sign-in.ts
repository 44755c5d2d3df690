import { findHomeProvider, hasProviders, type ProviderRow, readSignInPolicy } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import { findHome } from '../account/person.ts'
import { type Form, isOwnForm, sealForm } from '../form.ts'
import { refuseForm } from '../pages/account.ts'
import { wordsFor } from '../pages/languages.ts'
import { type Page, toResponse } from '../pages/layout.ts'
import { type SignInFault, signInPage } from '../pages/sign-in.ts'
import { STRINGS } from '../pages/strings.ts'
import { mailLink } from './mailed-link.ts'
import type { Ask, SignInParts, SignInPlace, SignInSite } from './parts.ts'
import { byPasskey, byPassword } from './ways.ts'

/** The ways that begin on the sign-in page, by the button that sent its form. */
const WAYS = new Map([
  ['', 'password'],
  ['link', 'link'],
  ['passkey', 'passkey'],
  ['provider', 'provider'],
] as const)

/** The page on which somebody signs in, with the ways that the organization takes. */
export async function showSignIn(
  parts: SignInParts,
  place: SignInPlace,
  extra: { email?: string; organization?: string; fault?: SignInFault } = {},
): Promise<Page> {
  const { store, base, now, passkeys, mailer } = parts
  const home = await findHome(store.db, place.organization)
  const takes = (method: 'password' | 'link' | 'passkey') => home?.policy.methods.includes(method) ?? true
  return signInPage({
    words: place.words ?? STRINGS,
    base,
    action: place.path,
    formToken: sealForm(store.secrets, `sign-in:${place.purpose}`, now()),
    agent: place.agent,
    asksOrganization: home === undefined,
    leadsTo: place.leadsTo,
    hasPassword: takes('password'),
    hasMail: mailer !== undefined,
    hasProviders: await hasProviders(store.db, place.organization),
    hasLink: mailer !== undefined && takes('link'),
    passkey: takes('passkey') ? await passkeys?.ask(`sign-in:${place.purpose}`) : undefined,
    ...extra,
  })
}

/**
 * Signs somebody in by a form, and goes on to the place: slowed down, and with the same answer for whoever is not there.
 */
export async function signIn(
  site: SignInSite,
  c: Ask,
  place: SignInPlace,
  form: Form,
  next: string,
): Promise<Response> {
  const { store, now, addressOf } = site
  const [email, organization] = [form.one('email'), form.one('organization')]
  const words = wordsFor(c.req.header('accept-language'))
  const again = async (fault: SignInFault) =>
    toResponse(await showSignIn(site, { words, ...place }, { email, organization, fault }))
  if (!isOwnForm(store.secrets, `sign-in:${place.purpose}`, form, now())) return again('expired')
  const way = WAYS.get(form.one('way') as Parameters<typeof WAYS.get>[0])
  if (way === 'provider' || way === 'password') {
    const provider = await findHomeProvider(store.db, email, place.organization)
    const isLeaving = way === 'provider' || (provider && !(await takesPassword(store, provider)))
    if (provider && isLeaving)
      return site.leaveFor(c, provider, { email: email.trim(), next, isFresh: place.isFresh ?? false })
    if (isLeaving) return again('noProvider')
  }
  const home = await findHome(
    store.db,
    place.organization ?? (organization === '' ? undefined : organization),
  )
  if (home && way !== undefined && !home.policy.methods.some(method => method === way))
    return again('notThisWay')
  const account = `${home?.id ?? organization}\n${email.trim().toLowerCase()}`
  const request = { c, place, form, next, home, account, address: addressOf(c.env.incoming) }
  switch (way) {
    case 'password':
      return byPassword(site, request, again)
    case 'link':
      return mailLink(site, request, again)
    case 'passkey':
      return byPasskey(site, request, again)
    default:
      return refuseForm(c)
  }
}

/** Whether the organization of a provider lets people sign in by password as well. */
async function takesPassword({ db }: Store, { organizationId }: ProviderRow): Promise<boolean> {
  return (await readSignInPolicy(db, organizationId)).methods.includes('password')
}
