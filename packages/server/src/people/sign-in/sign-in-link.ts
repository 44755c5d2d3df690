import type { Hono } from 'hono'
import { hashSecret } from '../../store/index.ts'
import type { Person } from '../account/person.ts'
import type { Proof } from '../factor/proof.ts'
import { isOwnForm, sealForm } from '../form.ts'
import { messagePage, refuseForm } from '../pages/account.ts'
import { type Words, wordsFor } from '../pages/languages.ts'
import { toResponse } from '../pages/layout.ts'
import { linkPage } from '../pages/link.ts'
import { findLink, useLink } from './mailed-link.ts'
import type { Ask, Env, SignInParts } from './parts.ts'
import type { Onward } from './ticket.ts'

/**
 * The page that a mailed link opens. Opening it changes nothing, since mail scanners do that too; its button signs in,
 * in this browser, and goes on with what was under way here.
 */
export function addSignInLink(
  app: Hono<Env>,
  parts: SignInParts,
  enter: (c: Ask, person: Person, proof: Proof, onward: Onward) => Promise<Response>,
): void {
  const { store, base, now } = parts
  const gone = (words: Words) => {
    const { title, gone: text } = words.link
    return toResponse(messagePage({ words, title, text, status: 404 }))
  }
  const purposeOf = (secret: string) => `link:${hashSecret(secret)}`

  app.get('/sign-in/link/:secret', async c => {
    const secret = c.req.param('secret')
    const words = wordsFor(c.req.header('accept-language'))
    const link = await findLink(parts, c, 'link', secret)
    if (!link) return gone(words)
    const action = `${base}/sign-in/link/${encodeURIComponent(secret)}`
    return toResponse(
      linkPage({ ...link, words, action, formToken: sealForm(store.secrets, purposeOf(secret), now()) }),
    )
  })
  app.post('/sign-in/link/:secret', async c => {
    const secret = c.req.param('secret')
    const form = await parts.readForm(c)
    if (!form || !isOwnForm(store.secrets, purposeOf(secret), form, now())) return refuseForm(c)
    const link = await findLink(parts, c, 'link', secret)
    if (!link || !(await store.write(tx => useLink(tx, secret, link.person))))
      return gone(wordsFor(c.req.header('accept-language')))
    const proof: Proof = { methods: ['link'], secondFactor: false }
    // What was under way in another browser goes on there, never here.
    const { next, leadsTo } = link
    return enter(c, link.person, proof, link.isHere ? { next, leadsTo } : { next: `${base}/account` })
  })
}
