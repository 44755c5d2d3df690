import { newId } from '@valetkey/sdk/core'
import type { Returning } from '../../oauth/index.ts'
import type { Person } from '../account/person.ts'
import type { OfferedScope } from '../consent/offer.ts'
import type { Reach, Reachable } from '../consent/reach.ts'
import type { Choice } from '../consent/terms.ts'
import { referenceLine } from './account.ts'
import { type Html, html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'

/** How a page begins on which somebody decides about an agent: who they are, and where the form goes. */
export interface Desk {
  words: Words
  action: string
  formToken: string
  person: Person
  /** Where the form leads in the end, as a Content-Security-Policy names it; undefined stays here. */
  leadsTo: string | undefined
}

/** Who asks. */
export interface Asking {
  /** What it is called; for one that nobody here registered, what it calls itself. */
  name: string
  /** The host that vouches for it; null for one that registered itself, undefined for one that somebody here registered. */
  vouchedBy: string | null | undefined
  /** As what it is known here, and who answers for it. */
  known: { name: string; purpose: string; owner: { name: string; email: string } } | undefined
  isFamiliar: boolean
  returns: Returning
  /** What it wants to be read, in its own words. */
  message: string
  server: { name: string; url: string }
}

export interface ConsentView extends Desk {
  asking: Asking
  view: Choice['view']
  /** What is asked, and of it what is ticked. */
  scopes: readonly OfferedScope[]
  ticked: ReadonlySet<string>
  /** All or nothing: there is nothing to tick. */
  isWhole: boolean
  /** What it may do already, where the page shows only what is added. */
  already: { labels: string[]; on: string[]; until: number } | undefined
  /** Undefined where there is nothing to tell apart. */
  reach: (Reach & { isSome: boolean; find: string }) | undefined
  /** What it asks to be limited to: tools by name, resources by what they are called; null is no limit. */
  limits: { tools: string[] | null; on: string[] | null } | undefined
  /** In seconds, and until when it stands; `chosen` is one of them, or `kept`. */
  lengths: { offered: readonly number[]; kept: number | undefined; chosen: number | 'kept' }
  fault: 'nothing' | 'nowhere' | 'changed' | undefined
}

/** Everything that somebody needs to know to say yes to less than was asked, or no. */
export function consentPage(view: ConsentView): Page {
  const { words, asking, leadsTo, fault, isWhole, already } = view
  const { consent } = words
  const name = asking.vouchedBy === undefined ? asking.name : consent.quoted(asking.name)
  const title = (already ? consent.titleMore : consent.title)(name)
  const body = html`${whoYouAre(view)}
<h1>${title}</h1>
${fault && html`<p class="warn" role="alert">${consent[fault]}</p>`}
${whoAsks(words, asking)}
<form method="post" action="${view.action}"><input type="hidden" name="form" value="${view.formToken}"><input type="hidden" name="view" value="${view.view}">
${already && sofar(words, already)}
<fieldset><legend>${already ? consent.more : consent.scopes}</legend>${isWhole && html`<p>${consent.whole}</p>`}<div class="box">${view.scopes.map(scope => scopeRow(view, scope))}</div></fieldset>
${view.limits && limited(words, view.limits)}
${view.view === 'all' && html`${view.reach && reachOf(words, view.action, view.reach)}${lasting(words, view.lengths)}`}
<div class="row"><button name="action" value="deny">${consent.deny}</button><button name="action" value="allow">${consent.allow}</button></div></form>
<p><small>${consent.promise}</small></p>`
  return { words, title, body, leadsTo, status: fault ? 400 : 200 }
}

function whoYouAre({ words, action, formToken, person }: Desk): Html {
  const { as, notYou } = words.account
  return html`<form method="post" action="${action}" class="who"><span>${as(person.name, person.email, person.organization.name)}</span>
<input type="hidden" name="form" value="${formToken}"><button class="link" name="action" value="sign-out">${notYou}</button></form>`
}

function whoAsks(
  { consent }: Words,
  { vouchedBy, known, isFamiliar, returns, message, server }: Asking,
): Html {
  const made =
    vouchedBy === undefined
      ? known && consent.runBy(known.owner.name, known.owner.email)
      : vouchedBy === null
        ? consent.unverified
        : consent.vouched(vouchedBy)
  const here = vouchedBy !== undefined && known ? consent.takenOn(known.name, known.owner.name) : ''
  const isOpen = returns.kind !== 'web' && returns.kind !== 'backchannel'
  return html`<div class="facts"><p${vouchedBy === null && html` class="warn"`}>${made} ${here} ${isFamiliar ? '' : consent.first}${vouchedBy !== undefined && !known && ` ${consent.owner}`}</p>
${known && known.purpose !== '' && html`<p>${known.purpose}</p>`}
<p>${consent.at(server.name, server.url)}</p>
<p>${consent.returns[returns.kind](returns.name)}${isOpen && html` <span class="warn">${consent.started}</span>`}</p>${message !== '' && html`<p>${consent.says(message)}</p>`}</div>`
}

function sofar({ consent }: Words, { labels, on, until }: NonNullable<ConsentView['already']>): Html {
  return html`<p>${consent.already(labels)} ${on.length > 0 && consent.onThese(on)} ${consent.until(until)} <button class="link" name="action" value="review">${consent.review}</button></p>`
}

function scopeRow(
  { words, ticked, isWhole, view }: ConsentView,
  { slug, label, risk, isGranted }: OfferedScope,
): Html {
  const { risks, before } = words.consent
  const isBefore = isGranted && view === 'all'
  const hints = [isBefore ? before : '', risks[risk]].filter(hint => hint !== '').join('; ')
  const what = html`<span>${label || slug}<small>${label !== '' && slug}${label !== '' && hints !== '' && ' · '}<span${risk !== 'read' && html` class="warn"`}>${hints}</span></small></span>`
  if (isWhole) return html`<p>${what}</p>`
  return html`<label><input type="checkbox" name="scope" value="${slug}"${ticked.has(slug) && html` checked`}>${what}</label>`
}

function reachOf({ consent }: Words, action: string, reach: NonNullable<ConsentView['reach']>): Html {
  const { chosen, others, hasMore, isSome, find } = reach
  const isSearched = hasMore || find !== ''
  const radio = (value: string, text: string, isChecked: boolean) =>
    html`<label><input type="radio" name="reach" value="${value}"${isChecked && html` checked`}><span>${text}</span></label>`
  const row = (isChosen: boolean) => (resource: Reachable) =>
    html`<label><input type="checkbox" name="resource" value="${resource.ref}"${isChosen && html` checked`}><span>${resource.name}${resource.name !== resource.ref && html` <small>${resource.ref}</small>`}</span></label>`
  return html`<fieldset id="reach"><legend>${consent.reach}</legend><div class="box">
${radio('all', consent.everything, !isSome)}${radio('some', consent.only, isSome)}<div class="in">
${isSearched && html`<div class="row"><input type="search" name="find" value="${find}" maxlength="100" aria-label="${consent.find}" placeholder="${consent.find}"><button name="action" value="find" formaction="${action}#reach">${consent.search}</button></div>`}
${find !== '' && html`<p role="status"><small>${consent.found(others.length, find)}</small></p>`}
${chosen.map(row(true))}${others.map(row(false))}${hasMore && html`<small>${consent.thereIsMore(others.length)}</small>`}</div></div></fieldset>`
}

function limited({ consent }: Words, { tools, on }: NonNullable<ConsentView['limits']>): Html {
  return html`<p>${tools !== null && consent.onlyTools(tools)} ${on !== null && consent.onlyOn(on)}</p>`
}

function lasting({ consent }: Words, { offered, kept, chosen }: ConsentView['lengths']): Html {
  const radio = (value: string, text: string, isChecked: boolean) =>
    html`<label><input type="radio" name="duration" value="${value}"${isChecked && html` checked`}><span>${text}</span></label>`
  return html`<fieldset><legend>${consent.duration}</legend><div class="box">${kept !== undefined && radio('kept', consent.kept(kept), chosen === 'kept')}${offered.map(seconds => radio(String(seconds), consent.lasting(seconds), chosen === seconds))}</div></fieldset>`
}

/** The end of a way that is not the person's fault: why, and the one thing that can be done. */
export function stoppedPage(
  view: Desk & {
    text: string
    /** Offers to put the program before the administrators. */
    mayAsk: boolean
  },
): Page {
  const { words, action, formToken, text, mayAsk, leadsTo } = view
  const { title, back, ask } = words.stopped
  const reference = newId('request')
  const button = (value: string, label: string) =>
    html`<button name="action" value="${value}">${label}</button>`
  const body = html`${whoYouAre(view)}
<h1>${title}</h1><p role="status">${text}</p>
<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<div class="row">${button('deny', back)}${mayAsk && button('ask', ask)}</div></form>${referenceLine(words, reference)}`
  return { words, title, body, leadsTo, status: 403, reference }
}
