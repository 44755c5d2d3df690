import type { PasskeyRequest } from '../factor/passkeys.ts'
import { html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'
import { passkeyForm, scriptFor } from './passkey.ts'
import { organizationField } from './password.ts'

export type SignInFault =
  | 'wrong'
  | 'wrongPasskey'
  | 'tooMany'
  | 'expired'
  | 'notThisWay'
  | 'again'
  | 'noProvider'

const STATUS: Record<SignInFault, number> = {
  wrong: 401,
  wrongPasskey: 401,
  tooMany: 429,
  expired: 400,
  notThisWay: 403,
  again: 403,
  noProvider: 400,
}

export function signInPage(options: {
  words: Words
  base: string
  action: string
  formToken: string
  /** Who waits for the person to sign in. */
  agent?: string | undefined
  asksOrganization: boolean
  email?: string
  organization?: string
  fault?: SignInFault
  hasPassword: boolean
  hasLink: boolean
  /** Whether a new password can be mailed for. */
  hasMail: boolean
  passkey: PasskeyRequest | undefined
  /** Offers to sign in at the organization's own provider. */
  hasProviders: boolean
  leadsTo?: string | undefined
}): Page {
  const { base, action, formToken, agent, asksOrganization, email = '', organization = '', fault } = options
  const words = options.words.signIn
  const { hasPassword, hasLink, hasMail, hasProviders, passkey, leadsTo } = options
  const hidden = html`<input type="hidden" name="action" value="sign-in"><input type="hidden" name="form" value="${formToken}">`
  const body = html`<h1>${words.title}</h1>
${agent !== undefined && html`<p>${words.lead(agent)}</p>`}
${fault && html`<p class="warn" role="alert">${words[fault]}</p>`}
${
  (hasPassword || hasLink || hasProviders) &&
  html`<form method="post" action="${action}">${hidden}
<label class="field">${words.email}<input type="email" name="email" value="${email}" autocomplete="username" required maxlength="320"></label>
${asksOrganization && organizationField(options.words, organization)}
${hasPassword && html`<label class="field">${words.password}<input type="password" name="password" autocomplete="current-password" required maxlength="200"></label>`}
<div class="row ways">${hasPassword && html`<button class="main">${words.submit}</button>`}${hasLink && html`<button name="way" value="link" formnovalidate>${words.link}</button>`}${hasProviders && html`<button name="way" value="provider" formnovalidate>${words.elsewhere}</button>`}</div></form>`
}
${
  passkey &&
  passkeyForm({
    ...{ action, request: passkey, kind: 'get', button: words.passkey, failed: words.passkeyFailed },
    fields: html`${hidden}<input type="hidden" name="way" value="passkey">`,
  })
}
${!hasPassword && !hasLink && !hasProviders && html`<p>${words.otherwise}</p>`}
${hasPassword && hasMail && html`<p><a href="${base}/sign-in/forgotten">${words.forgotten}</a></p>`}`
  const status = fault ? STATUS[fault] : 200
  return { words: options.words, title: words.title, body, status, leadsTo, script: scriptFor(base, passkey) }
}
