import { html } from './html.ts'
import type { Words } from './languages.ts'
import { type Page, toResponse } from './layout.ts'
import { STRINGS } from './strings.ts'

/** One sentence, and what to do: the end of a way. */
export function messagePage(options: {
  words?: Words
  title: string
  text: string
  status?: number
  reference?: string
  /** Where to go from here. */
  onward?: { href: string; text: string }
}): Page {
  const { words = STRINGS, title, text, status = 200, reference, onward } = options
  const body = html`<h1>${title}</h1><p role="status">${text}</p>
${onward && html`<div class="row"><a class="button" href="${onward.href}">${onward.text}</a></div>`}
${reference !== undefined && html`<p><small>${words.stopped.reference(reference)}</small></p>`}`
  return { words, title, body, status }
}

/** The answer to a form that is not ours, or is not any more. */
export function refuseForm(): Response {
  const { title, form: text } = STRINGS.stopped
  return toResponse(messagePage({ title, text, status: 403 }))
}

/** A request that cannot go on, nor be sent back to its client; what is wrong with it is in the protocol's words. */
export function problemPage({ error, description }: { error: string; description: string }): Response {
  const { expired, tooMany } = STRINGS.stopped
  const isExpired = error === 'invalid_request' && description.includes('session')
  const text = error === 'too_many_requests' ? tooMany : isExpired ? expired : description
  return toResponse(
    messagePage({ title: STRINGS.stopped.title, text: text || error, status: 400, reference: error }),
  )
}
