import type { OpenSession } from '../account/accounts.ts'
import type { Person } from '../account/person.ts'
import type { AppOffer } from '../factor/factor-setup.ts'
import type { Factor } from '../factor/factors.ts'
import type { PasskeyRequest } from '../factor/passkeys.ts'
import { browserName } from './browser-name.ts'
import { type Html, html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'
import { passkeyForm, scriptFor } from './passkey.ts'
import { type NewPasswordFault, newPasswordFields, ownEmail } from './password.ts'
import { appFields, type SecondFactorFault } from './second-factor.ts'

/** How many sessions are shown, the newest; all of them can be ended. */
const MOST_SESSIONS = 10

export interface AccountView {
  words: Words
  base: string
  person: Person
  formToken: string
  factors: readonly Factor[]
  codesLeft: number
  sessions: readonly OpenSession[]
  /** The id of the session that looks. */
  here: string
  /** What can be set up here and now. */
  may: { changePassword: boolean; addPasskey: boolean }
  done?: keyof Words['account']['done'] | undefined
  fault?: 'last' | undefined
}

/** Everything by which somebody signs in, and where somebody is signed in. */
export function accountPage(view: AccountView): Page {
  const { base, person, formToken, fault, done } = view
  const words = view.words.account
  const body = html`<p class="who">${words.as(person.name, person.email, person.organization.name)}</p><h1>${words.title}</h1>
${fault && html`<p class="warn" role="alert">${words[fault]}</p>`}${done && html`<p class="done" role="status">${words.done[done]}</p>`}
<div class="row"><a class="button" href="${base}/agents">${words.agents}</a></div>
<form method="post" action="${base}/account"><input type="hidden" name="form" value="${formToken}">${ways(view)}${sessions(view)}</form>
<form method="post" action="${base}/sign-out"><input type="hidden" name="form" value="${formToken}">
<div class="row"><button>${words.signOut}</button></div></form>`
  return { words: view.words, title: words.title, body, status: fault ? 409 : 200 }
}

function ways(view: AccountView): Html {
  const { base, factors, codesLeft, may } = view
  const words = view.words.account
  const link = (path: string, label: string, about: string) =>
    html`<a class="button" href="${base}/account/${path}" aria-label="${`${label}: ${about}`}">${label}</a>`
  const hasApp = factors.some(({ kind }) => kind === 'totp')
  return html`<h2>${words.ways}</h2><ul class="rows">
${may.changePassword && html`<li><span>${words.password}</span>${link('password', words.change, words.password)}</li>`}
${factors.map(factor => {
  const name = factor.kind === 'totp' ? words.app : words.passkey(factor.label)
  const { dayOf } = view.words
  const last = factor.lastUsedAt && dayOf(Date.parse(factor.lastUsedAt))
  const used = words.used(dayOf(Date.parse(factor.createdAt)), last)
  return html`<li><span>${name}<br><small>${used}</small></span>${button(`remove-factor ${factor.id}`, words.remove, name)}</li>`
})}
${!hasApp && html`<li><span>${words.app}</span>${link('app', words.setUp, words.app)}</li>`}
${may.addPasskey && html`<li><span>${words.newPasskey}</span>${link('passkey', words.add, words.newPasskey)}</li>`}
${factors.length > 0 && html`<li><span>${words.recoveryCodes}<br><small>${words.codesLeft(codesLeft)}</small></span>${button('recovery-codes', words.renew, words.recoveryCodes)}</li>`}
</ul>`
}

function sessions(view: AccountView): Html {
  const { here } = view
  const words = view.words.account
  const shown = view.sessions.slice(0, MOST_SESSIONS)
  const more = view.sessions.length - shown.length
  return html`<h2>${words.sessions}</h2><ul class="rows">${shown.map(session => {
    const { id, userAgent, signedInAt, address } = session
    const name = browserName(userAgent)
    const since = words.session(view.words.timeOf(signedInAt), address)
    return html`<li><span>${name}<br><small>${since}</small></span>${id === here ? html`<small>${words.here}</small>` : button(`end-session ${id}`, words.endSession, `${name}, ${since}`)}</li>`
  })}</ul>
${more > 0 && html`<p><small>${words.moreSessions(more)}</small></p>`}
${view.sessions.length > 1 && html`<div class="row"><button name="action" value="end-sessions">${words.endSessions}</button></div>`}`
}

/** Of several that look the same, each says aloud what it is about. */
function button(action: string, label: string, about: string): Html {
  return html`<button name="action" value="${action}" aria-label="${`${label}: ${about}`}">${label}</button>`
}

interface Sub {
  words: Words
  base: string
  formToken: string
  person: Person
}

export function changePasswordPage(
  options: Sub & { hasPassword: boolean; fault?: NewPasswordFault | 'wrongOld' | 'tooMany' | undefined },
): Page {
  const { base, formToken, person, hasPassword, fault } = options
  const { account: words, signIn, invitation } = options.words
  const sentence =
    fault === 'wrongOld'
      ? words.wrongOld
      : fault === 'tooMany'
        ? signIn.tooMany
        : fault && invitation.faults[fault]
  const body = html`<h1>${words.changePassword}</h1>${sentence && html`<p class="warn" role="alert">${sentence}</p>`}
<form method="post" action="${base}/account/password"><input type="hidden" name="form" value="${formToken}">
${ownEmail(options.words, person)}
${hasPassword && html`<label class="field">${words.oldPassword}<input type="password" name="old" autocomplete="current-password" required maxlength="200"></label>`}
${newPasswordFields(options.words)}<div class="row"><button class="main">${words.change}</button></div></form>${back(options)}`
  const status = fault === 'tooMany' ? 429 : fault ? 400 : 200
  return { words: options.words, title: words.changePassword, body, status }
}

export async function addAppPage(
  options: Sub & { offer: AppOffer; fault?: SecondFactorFault | undefined },
): Promise<Page> {
  const { base, formToken, offer, fault } = options
  const { setUp, faults } = options.words.secondFactor
  const body = html`<h1>${setUp.app}</h1>${fault && html`<p class="warn" role="alert">${faults[fault]}</p>`}
<form method="post" action="${base}/account/app"><input type="hidden" name="form" value="${formToken}">
${await appFields(options.words, offer)}<div class="row"><button class="main">${setUp.submit}</button></div></form>${back(options)}`
  return { words: options.words, title: setUp.app, body, status: fault ? 400 : 200 }
}

export function addPasskeyPage(
  options: Sub & { request: PasskeyRequest; fault?: Exclude<SecondFactorFault, 'tooMany'> | undefined },
): Page {
  const { base, formToken, request, fault } = options
  const { passkeyFailed, faults } = options.words.secondFactor
  const words = options.words.account
  const body = html`<h1>${words.newPasskey}</h1>${fault && html`<p class="warn" role="alert">${fault === 'wrong' ? passkeyFailed : faults[fault]}</p>`}
<p>${words.newPasskeyLead}</p><noscript><p class="warn">${words.noPasskeys}</p></noscript>
${passkeyForm({
  ...{ action: `${base}/account/passkey`, request, kind: 'create', button: words.add, failed: passkeyFailed },
  fields: html`<input type="hidden" name="form" value="${formToken}"><label class="field">${words.passkeyLabel}<input type="text" name="label" maxlength="64"></label>`,
})}${back(options)}`
  const status = fault ? 400 : 200
  const script = scriptFor(base, request)
  return { words: options.words, title: words.newPasskey, body, status, script }
}

function back({ base, words }: Sub): Html {
  return html`<p><a href="${base}/account">${words.account.back}</a></p>`
}
