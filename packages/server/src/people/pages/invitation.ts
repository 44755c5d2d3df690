import { SHORTEST_PASSWORD } from '../password.ts'
import { html } from './html.ts'
import type { Page } from './layout.ts'
import { STRINGS } from './strings.ts'

const words = STRINGS.invitation

export function invitationPage(options: {
  action: string
  formToken: string
  person: { name: string; email: string; organization: { name: string } }
  fault?: keyof typeof words.faults | undefined
}): Page {
  const { action, formToken, person, fault } = options
  const body = html`<h1>${words.title}</h1><p>${words.lead(person.name, person.organization.name)}</p>
${fault && html`<p class="warn" role="alert">${words.faults[fault]}</p>`}
<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<input type="email" value="${person.email}" autocomplete="username" readonly aria-label="${STRINGS.signIn.email}">
<label class="field">${words.password}<input type="password" name="password" autocomplete="new-password" required minlength="${SHORTEST_PASSWORD}" maxlength="200" aria-describedby="hint"></label>
<p id="hint"><small>${words.hint(SHORTEST_PASSWORD)}</small></p>
<label class="field">${words.again}<input type="password" name="again" autocomplete="new-password" required maxlength="200"></label>
<div class="row"><button type="submit">${words.submit}</button></div></form>`
  return { title: words.title, body, status: fault ? 400 : 200 }
}
