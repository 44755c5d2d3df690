import { newId } from '@valetkey/sdk/core'
import { type Html, html } from './html.ts'
import { type Words, wordsFor } from './languages.ts'
import { type Page, toResponse } from './layout.ts'
import { STRINGS } from './strings.ts'

/** One sentence, and what to do: the end of a way. One that went wrong has a reference. */
export function messagePage(options: {
  words?: Words
  title: string
  text: string
  /** What else whoever looks into it wants to know. */
  detail?: string
  status?: number
  reference?: string | undefined
  /** Where to go from here. */
  onward?: { href: string; text: string }
}): Page {
  const { words = STRINGS, title, text, detail, status = 200, onward } = options
  const reference = options.reference ?? (status >= 400 ? newId('request') : undefined)
  const body = html`<h1>${title}</h1><p role="status">${text}</p>
${onward && html`<div class="row"><a class="button" href="${onward.href}">${onward.text}</a></div>`}
${detail !== undefined && html`<p><small>${detail}</small></p>`}${referenceLine(words, reference)}`
  return { words, title, body, status, reference }
}

export function referenceLine({ stopped }: Words, reference: string | undefined): Html | undefined {
  return reference === undefined
    ? undefined
    : html`<p><small>${stopped.reference} <code>${reference}</code></small></p>`
}

/** The answer to a form that is not ours, or is not any more. */
export function refuseForm(c: { req: { header(name: string): string | undefined } }): Response {
  const words = wordsFor(c.req.header('accept-language'))
  const { title, form: text } = words.stopped
  return toResponse(messagePage({ words, title, text, status: 403 }))
}

/** A request that cannot go on, nor be sent back to its client: what to do, and what is wrong in the protocol's words. */
export function problemPage(problem: {
  error: string
  description: string
  reference?: string
  acceptLanguage?: string
}): Response {
  const { error, description, reference } = problem
  const words = wordsFor(problem.acceptLanguage)
  const { title, tooMany, expired, requests, saying } = words.stopped
  if (error === 'too_many_requests')
    return toResponse(messagePage({ words, title, text: tooMany, status: 429, reference }))
  const isExpired = error === 'invalid_request' && description.includes('session')
  const text = isExpired ? expired : ((requests as Record<string, string>)[error] ?? requests.other)
  const detail = saying([error, description].filter(part => part !== '').join(': '))
  return toResponse(messagePage({ words, title, text, detail, status: 400, reference }))
}
