import { html } from './html.ts'
import type { Page } from './layout.ts'
import { STRINGS } from './strings.ts'

const words = STRINGS.federation

/** On the way to an identity provider: goes on by itself, and says where to. */
export function leavePage(options: {
  title: string
  url: string
  cookies: readonly string[]
  isSignOut?: boolean
}): Page {
  const { title: provider, url, cookies, isSignOut = false } = options
  const { host } = new URL(url)
  const title = isSignOut ? words.leavingOut : words.leaving
  const body = html`<h1>${title}</h1><p role="status">${(isSignOut ? words.toOut : words.to)(provider, host)}</p>
<div class="row"><a class="button" href="${url}">${words.goOn}</a></div>`
  return { title, body, cookies, goesTo: url }
}
