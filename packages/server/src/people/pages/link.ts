import type { MailedLink } from '../mailed-link.ts'
import { html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'

/** What a mailed link opens: who would sign in, and a warning where it was asked for somewhere else. */
export function linkPage(options: MailedLink & { words: Words; action: string; formToken: string }): Page {
  const words = options.words.link
  const { action, formToken, person, isHere, askedFrom, askedAt, leadsTo } = options
  const time = `${askedAt.slice(0, 16).replace('T', ' ')} UTC`
  const body = html`<h1>${words.title}</h1>
<p>${options.words.account.as(person.name, person.email, person.organization.name)}</p>
${!isHere && html`<p class="warn"><strong>${words.elsewhere(askedFrom, time)}</strong></p>`}
<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<div class="row"><button class="main">${words.submit}</button></div></form>
<p><small>${words.notYou}</small></p>`
  return { words: options.words, title: words.title, body, leadsTo: isHere ? leadsTo : undefined }
}
