import { html } from './html.ts'
import type { Page } from './layout.ts'
import { STRINGS } from './strings.ts'

const words = STRINGS.signIn

export function signInPage(options: {
  action: string
  formToken: string
  /** Who waits for the person to sign in. */
  agent?: string | undefined
  asksOrganization: boolean
  email?: string
  organization?: string
  fault?: 'wrong' | 'tooMany' | 'expired' | 'noProvider'
  /** Offers to sign in at the organization's own provider. */
  hasProviders?: boolean
  leadsTo?: string | undefined
}): Page {
  const { action, formToken, agent, asksOrganization, email = '', organization = '', fault } = options
  const { hasProviders = false } = options
  const body = html`<h1>${words.title}</h1>
${agent !== undefined && html`<p>${words.lead(agent)}</p>`}
${fault && html`<p class="warn" role="alert">${words[fault]}</p>`}
<form method="post" action="${action}">
<input type="hidden" name="action" value="sign-in"><input type="hidden" name="form" value="${formToken}">
<label class="field">${words.email}<input type="email" name="email" value="${email}" autocomplete="username" required maxlength="320"></label>
<label class="field">${words.password}<input type="password" name="password" autocomplete="current-password" required maxlength="200"></label>
${asksOrganization && html`<label class="field">${words.organization}<input type="text" name="organization" value="${organization}" autocomplete="organization" required maxlength="64"></label>`}
<div class="row"><button type="submit">${words.submit}</button>${hasProviders && html`<button name="way" value="provider" formnovalidate>${words.elsewhere}</button>`}</div></form>`
  const status = fault === 'tooMany' ? 429 : fault === 'wrong' ? 401 : fault ? 400 : 200
  return { title: words.title, body, status, leadsTo: options.leadsTo }
}
