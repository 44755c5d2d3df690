import { SHORTEST_PASSWORD } from '../password.ts'
import type { Person } from '../person.ts'
import { type Html, html } from './html.ts'
import type { Page } from './layout.ts'
import { STRINGS } from './strings.ts'

const words = STRINGS.invitation

export type NewPasswordFault = keyof typeof words.faults

/** Choosing a password, by a link that stands for the person. */
export function passwordPage(options: {
  action: string
  formToken: string
  person: Person
  fault?: NewPasswordFault | undefined
}): Page {
  const { action, formToken, person, fault } = options
  const body = html`<h1>${words.title}</h1><p>${words.lead(person.name, person.organization.name)}</p>
${fault && html`<p class="warn" role="alert">${words.faults[fault]}</p>`}
<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<input type="email" value="${person.email}" autocomplete="username" readonly aria-label="${STRINGS.signIn.email}">
${newPasswordFields()}
<div class="row"><button class="main">${words.submit}</button></div></form>`
  return { title: words.title, body, status: fault ? 400 : 200 }
}

/** A new password, twice. */
export function newPasswordFields(): Html {
  return html`<label class="field">${words.password}<input type="password" name="password" autocomplete="new-password" required minlength="${SHORTEST_PASSWORD}" maxlength="200" aria-describedby="hint"></label>
<p id="hint"><small>${words.hint(SHORTEST_PASSWORD)}</small></p>
<label class="field">${words.again}<input type="password" name="again" autocomplete="new-password" required maxlength="200"></label>`
}

/** Asking for a link that sets a new password. */
export function forgottenPage(options: {
  action: string
  formToken: string
  asksOrganization: boolean
  fault?: 'tooMany' | 'notThisWay' | undefined
}): Page {
  const { action, formToken, asksOrganization, fault } = options
  const { signIn, forgotten } = STRINGS
  const body = html`<h1>${forgotten.title}</h1>
${fault ? html`<p class="warn" role="alert">${fault === 'tooMany' ? signIn.tooMany : forgotten.off}</p>` : html`<p>${forgotten.lead}</p>`}
${
  fault !== 'notThisWay' &&
  html`<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<label class="field">${signIn.email}<input type="email" name="email" autocomplete="username" required maxlength="320"></label>
${asksOrganization && organizationField('')}
<div class="row"><button class="main">${forgotten.submit}</button></div></form>`
}`
  const status = fault === 'tooMany' ? 429 : fault ? 403 : 200
  return { title: forgotten.title, body, status }
}

/** Where there are several organizations, the person says which. */
export function organizationField(value: string): Html {
  return html`<label class="field">${STRINGS.signIn.organization}<input type="text" name="organization" value="${value}" autocomplete="organization" required maxlength="64"></label>`
}
