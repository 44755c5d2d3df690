import type { MailedLink } from '../sign-in/mailed-link.ts'
import { html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'

/** What a mailed link opens: who would sign in, and a warning where it was asked for somewhere else. */
export function linkPage(options: MailedLink & { words: Words; action: string; formToken: string }): Page {
  const words = options.words.link
  const { action, formToken, person, isHere, askedFrom, askedAt, leadsTo } = options
  const time = options.words.timeOf(Date.parse(askedAt))
  const body = html`<p class="who">${options.words.account.as(person.name, person.email, person.organization.name)}</p><h1>${words.title}</h1>
${!isHere && html`<p class="warn" role="alert">${words.elsewhere(askedFrom, time)}</p>`}
<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<div class="row"><button class="main">${words.submit}</button></div></form>
<p><small>${words.notYou}</small></p>`
  return { words: options.words, title: words.title, body, leadsTo: isHere ? leadsTo : undefined }
}
