import { randomBytes } from 'node:crypto'
import { isoTime, newSecret } from '@valetkey/sdk/core'
import { record } from '../../audit/index.ts'
import { hashSecret, type Tx } from '../../store/index.ts'
import { findByEmail, findPerson, type Person } from '../account/person.ts'
import { messagePage } from '../pages/account.ts'
import { wordsFor } from '../pages/languages.ts'
import { toResponse } from '../pages/layout.ts'
import type { Ask, SignInParts, SignInRequest } from './parts.ts'
import { networkOf } from './sign-in-limit.ts'

/** What a link does: sign in, or set a new password. */
export type LinkPurpose = 'link' | 'password'

/** A link that is good, and whose it is. */
export interface MailedLink {
  person: Person
  askedFrom: string
  askedAt: string
  /** Whether it is open in the browser in which it was asked for. */
  isHere: boolean
  next: string
  leadsTo?: string
}

const LIFE_MINUTES = 15
const COOKIE = 'valetkey.browser'
const PATHS: Record<LinkPurpose, string> = { link: 'sign-in/link', password: 'sign-in/password' }

/**
 * Mails a link that is good once. What is answered, what is written and how long it takes is the same for nobody: the
 * mail itself leaves by and by.
 */
export async function mailLink(
  parts: SignInParts,
  { c, form, home, account, address, next, place }: SignInRequest,
  again: (fault: 'tooMany' | 'notThisWay') => Promise<Response>,
  purpose: LinkPurpose = 'link',
): Promise<Response> {
  const { store, limit, mailer, now, issuer } = parts
  const words = wordsFor(c.req.header('accept-language'))
  if (!mailer) return again('notThisWay')
  if (!(await limit.take([['mailFrom', networkOf(address)]]))) return again('tooMany')
  const mayMail = await limit.take([['mail', account]])
  const found = await findByEmail(store.db, home?.id, form.one('email'))
  const person = mayMail ? found : undefined
  const browser = browserOf(c) ?? randomBytes(32).toString('base64url')
  const secret = newSecret('vk_lnk')
  const link = { hash: hashSecret(secret), purpose, browserHash: hashSecret(browser) }
  const asked = { askedFrom: address, askedAt: isoTime(now()), expiresAt: now() + LIFE_MINUTES * 60_000 }
  const whose = { organizationId: person?.organization.id ?? null, personId: person?.id ?? null }
  const way = JSON.stringify({ next, leadsTo: place.leadsTo })
  await store.write(async tx => {
    await tx.deleteFrom('signInLink').where('expiresAt', '<=', now()).execute()
    await tx
      .insertInto('signInLink')
      .values({ ...link, ...whose, ...asked, onward: way })
      .execute()
    const [actor, organization] = found ? [found.id, found.organization.id] : ['nobody', null]
    const event = { organization, type: 'person.link_asked', actor, target: actor }
    await record(tx, { ...event, detail: { purpose, address, mailed: mayMail } }, now())
  })
  if (person) {
    const { subject, text } = words.mail[purpose]
    const url = `${issuer}/${PATHS[purpose]}/${secret}`
    mailer.post({ to: person.email, subject, text: text(person.name, url, LIFE_MINUTES) })
  }
  const { title, text, more } = words.link.sent
  const onward = { href: place.path, text: more }
  return toResponse({
    ...messagePage({ words, title, text: text(LIFE_MINUTES), onward }),
    cookies: [cookieOf(parts, browser)],
  })
}

/** The link that a secret names, while it is good. */
export async function findLink(
  { store, now }: SignInParts,
  c: Ask,
  purpose: LinkPurpose,
  secret: string,
): Promise<MailedLink | undefined> {
  const row = await store.db
    .selectFrom('signInLink')
    .selectAll()
    .where('hash', '=', hashSecret(secret))
    .where('purpose', '=', purpose)
    .where('expiresAt', '>', now())
    .executeTakeFirst()
  const person = row?.personId ? await findPerson(store.db, row.personId) : undefined
  if (!row || !person) return undefined
  const browser = browserOf(c)
  const isHere = browser !== undefined && hashSecret(browser) === row.browserHash
  const onward = JSON.parse(row.onward) as { next: string; leadsTo?: string }
  return { person, askedFrom: row.askedFrom, askedAt: row.askedAt, isHere, ...onward }
}

/** Uses up a link, and with it every other one of the person's; false where somebody was faster. */
export async function useLink(tx: Tx, secret: string, { id }: Person): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('signInLink')
    .where('hash', '=', hashSecret(secret))
    .executeTakeFirstOrThrow()
  if (numDeletedRows === 0n) return false
  await tx.deleteFrom('signInLink').where('personId', '=', id).execute()
  return true
}

function browserOf(c: Ask): string | undefined {
  const cookies = c.req.header('cookie') ?? ''
  return /(?:^|; )(?:__Secure-)?valetkey\.browser=([\w-]{43})(?:;|$)/.exec(cookies)?.[1]
}

/** By which a browser is known that asked. A link in a mail is followed from another site, so this is not `Strict`. */
function cookieOf({ base, issuer }: SignInParts, browser: string): string {
  const [prefix, secure] = issuer.startsWith('https:') ? ['__Secure-', '; Secure'] : ['', '']
  const life = 24 * 60 * 60
  return `${prefix}${COOKIE}=${browser}; Path=${base || '/'}; Max-Age=${life}; HttpOnly; SameSite=Lax${secure}`
}
