import type { Person } from '../account/person.ts'
import { html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'

/** Asks for the code that a program shows on another device. */
export function devicePage({
  words,
  action,
  formToken,
  person,
  fault,
}: {
  words: Words
  action: string
  formToken: string
  person: Person
  fault: 'unknown' | 'tooMany' | undefined
}): Page {
  const { title, lead, code, submit, warning } = words.device
  const body = html`<p class="who">${words.account.as(person.name, person.email, person.organization.name)}</p>
<h1>${title}</h1><p>${lead}</p><p class="warn">${warning}</p>
${fault && html`<p class="warn" role="alert">${words.device[fault]}</p>`}
<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<label class="field">${code}<input type="text" name="code" maxlength="20" autocomplete="off" autocapitalize="characters" spellcheck="false" required></label>
<div class="row"><button class="main">${submit}</button></div></form>`
  return { words, title, body, status: fault ? 400 : 200 }
}
