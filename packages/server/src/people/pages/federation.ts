import { html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'

/** On the way to an identity provider: goes on by itself, and says where to. */
export function leavePage(options: {
  words: Words
  title: string
  url: string
  cookies: readonly string[]
  isSignOut?: boolean
}): Page {
  const { words, title: provider, url, cookies, isSignOut = false } = options
  const { leaving, leavingOut, to, toOut, goOn } = words.federation
  const { host } = new URL(url)
  const title = isSignOut ? leavingOut : leaving
  const body = html`<h1>${title}</h1><p role="status">${(isSignOut ? toOut : to)(provider, host)}</p>
<div class="row"><a class="button" href="${url}">${goOn}</a></div>`
  return { words, title, body, cookies, goesTo: url }
}
