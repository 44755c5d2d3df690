import type { Person } from '../account/person.ts'
import type { AppOffer } from '../factor/factor-setup.ts'
import type { PasskeyRequest } from '../factor/passkeys.ts'
import { type Html, html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'
import { passkeyForm, scriptFor } from './passkey.ts'

export type SecondFactorFault = keyof Words['secondFactor']['faults']

interface Step {
  words: Words
  base: string
  action: string
  /** What was proved so far. */
  ticket: string
  person: Person
  fault?: SecondFactorFault | undefined
  leadsTo?: string | undefined
  passkey: PasskeyRequest | undefined
}

/** Asks who has a second factor for it. */
export function secondFactorPage(step: Step & { hasApp: boolean }): Page {
  const { base, action, ticket, fault, leadsTo, passkey, hasApp } = step
  const words = step.words.secondFactor
  const hidden = html`<input type="hidden" name="ticket" value="${ticket}">`
  const body = html`${heading(step, words.title)}
${
  passkey &&
  passkeyForm({
    ...{ action, request: passkey, kind: 'get', button: words.passkey, failed: words.passkeyFailed },
    fields: html`${hidden}<input type="hidden" name="action" value="passkey">`,
  })
}
<form method="post" action="${action}">${hidden}<input type="hidden" name="action" value="code">
${codeField(hasApp ? words.codeOrRecovery : words.recovery, !hasApp)}
<div class="row"><button class="main">${words.submit}</button></div></form>
<p><small>${words.lost}</small></p>`
  return {
    words: step.words,
    title: words.title,
    body,
    status: statusOf(fault),
    leadsTo,
    script: scriptFor(base, passkey),
  }
}

/** Has somebody set one up, since the organization wants one. */
export async function setUpPage(step: Step & { offer: AppOffer }): Promise<Page> {
  const { base, action, ticket, fault, leadsTo, passkey, offer } = step
  const words = step.words.secondFactor
  const hidden = html`<input type="hidden" name="ticket" value="${ticket}">`
  const { setUp } = words
  const body = html`${heading(step, setUp.title)}<p>${setUp.lead}</p>
${
  passkey &&
  passkeyForm({
    ...{ action, request: passkey, kind: 'create', button: setUp.passkey, failed: words.passkeyFailed },
    fields: html`${hidden}<input type="hidden" name="action" value="set-up-passkey"><input type="hidden" name="label" value="">`,
  })
}
<form method="post" action="${action}">${hidden}<input type="hidden" name="action" value="set-up-app">
<h2>${setUp.app}</h2>${await appFields(step.words, offer)}<div class="row"><button class="main">${setUp.submit}</button></div></form>`
  return {
    words: step.words,
    title: setUp.title,
    body,
    status: statusOf(fault),
    leadsTo,
    script: scriptFor(base, passkey),
  }
}

/** The picture, the secret as text, and the first code. */
export async function appFields(words: Words, { secret, sealed, address }: AppOffer): Promise<Html> {
  const { qrCode } = await import('./qr-code.ts')
  const { setUp } = words.secondFactor
  return html`<input type="hidden" name="secret" value="${sealed}"><p>${setUp.scan}</p>${qrCode(address, setUp.picture)}
<p><small>${setUp.byHand}</small> <code>${secret.replaceAll(/(.{4})(?=.)/g, '$1 ')}</code></p>${codeField(setUp.code, false)}`
}

/** Recovery codes, this once. */
export function recoveryCodesPage(options: {
  words: Words
  codes: readonly string[]
  next: string
  cookies: readonly string[]
}): Page {
  const { words, codes, next, cookies } = options
  const { recoveryCodes } = words.secondFactor
  const body = html`<h1>${recoveryCodes.title}</h1><p>${recoveryCodes.lead}</p>
<ul class="codes">${codes.map(code => html`<li><code>${code}</code></li>`)}</ul>
<div class="row"><a class="button main" href="${next}">${recoveryCodes.submit}</a></div>`
  return { words, title: recoveryCodes.title, body, cookies }
}

function heading({ words, person, fault }: Step, title: string): Html {
  return html`<p class="who">${words.account.as(person.name, person.email, person.organization.name)}</p><h1>${title}</h1>
${fault && html`<p class="warn" role="alert">${words.secondFactor.faults[fault]}</p>`}`
}

function codeField(label: string, isText: boolean): Html {
  const mode = isText ? 'text' : 'numeric'
  return html`<label class="field">${label}<input type="text" name="code" inputmode="${mode}" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" required maxlength="64"></label>`
}

function statusOf(fault: SecondFactorFault | undefined): number {
  return fault === 'tooMany' ? 429 : fault ? 401 : 200
}
