import type { Person } from '../account/person.ts'
import type { PasskeyRequest } from '../factor/passkeys.ts'
import { SHORTEST_PASSWORD } from '../password/password.ts'
import { type Html, html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'
import { passkeyForm, scriptFor } from './passkey.ts'

export type NewPasswordFault = keyof Words['invitation']['faults']

/** Choosing a password, or a passkey instead, by a link that stands for the person. */
export function passwordPage(options: {
  words: Words
  base: string
  action: string
  formToken: string
  person: Person
  takesPassword: boolean
  /** For who may have a passkey instead. */
  passkey: PasskeyRequest | undefined
  fault?: NewPasswordFault | undefined
}): Page {
  const { base, action, formToken, person, takesPassword, passkey, fault } = options
  const { invitation: words } = options.words
  const hidden = html`<input type="hidden" name="form" value="${formToken}">`
  const title = takesPassword ? words.title : words.otherTitle
  const button = takesPassword ? words.passkey : words.passkeyAlone
  const body = html`<h1>${title}</h1><p>${words.lead(person.name, person.organization.name)}</p>
${fault && html`<p class="warn" role="alert">${words.faults[fault]}</p>`}
${
  passkey &&
  passkeyForm({
    ...{ action, request: passkey, kind: 'create', button, failed: words.faults.passkey },
    fields: html`${hidden}<input type="hidden" name="action" value="passkey"><input type="hidden" name="label" value="">`,
  })
}
${
  takesPassword
    ? html`<form method="post" action="${action}">${hidden}
${ownEmail(options.words, person)}
${newPasswordFields(options.words)}
<div class="row"><button class="main">${words.submit}</button></div></form>`
    : html`<p><small>${passkey ? words.passkeyOnly : words.otherwise}</small></p>`
}`
  const script = scriptFor(base, passkey)
  return { words: options.words, title, body, status: fault ? 400 : 200, script }
}

/** Whose password it is: for the eyes, and for what keeps passwords. */
export function ownEmail({ signIn }: Words, { email }: Person): Html {
  return html`<label class="field">${signIn.email}<input type="email" value="${email}" autocomplete="username" readonly></label>`
}

/** A new password, twice. */
export function newPasswordFields({ invitation: words }: Words): Html {
  return html`<label class="field">${words.password}<input type="password" name="password" autocomplete="new-password" required minlength="${SHORTEST_PASSWORD}" maxlength="200" aria-describedby="hint"></label>
<p id="hint"><small>${words.hint(SHORTEST_PASSWORD)}</small></p>
<label class="field">${words.again}<input type="password" name="again" autocomplete="new-password" required maxlength="200"></label>`
}

/** Asking for a link that sets a new password. */
export function forgottenPage(options: {
  words: Words
  action: string
  formToken: string
  asksOrganization: boolean
  fault?: 'tooMany' | 'notThisWay' | undefined
}): Page {
  const { action, formToken, asksOrganization, fault } = options
  const { signIn, forgotten } = options.words
  const body = html`<h1>${forgotten.title}</h1>
${fault ? html`<p class="warn" role="alert">${fault === 'tooMany' ? signIn.tooMany : forgotten.off}</p>` : html`<p>${forgotten.lead}</p>`}
${
  fault !== 'notThisWay' &&
  html`<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<label class="field">${signIn.email}<input type="email" name="email" autocomplete="username" required maxlength="320"></label>
${asksOrganization && organizationField(options.words, '')}
<div class="row"><button class="main">${forgotten.submit}</button></div></form>`
}`
  const status = fault === 'tooMany' ? 429 : fault ? 403 : 200
  return { words: options.words, title: forgotten.title, body, status }
}

/** Where there are several organizations, the person says which. */
export function organizationField({ signIn }: Words, value: string): Html {
  return html`<label class="field">${signIn.organization}<input type="text" name="organization" value="${value}" autocomplete="organization" required maxlength="64"></label>`
}
