import type { Offer } from '../offer.ts'
import type { Person } from '../person.ts'
import { type Html, html } from './html.ts'
import type { Page } from './layout.ts'
import { STRINGS } from './strings.ts'

const words = STRINGS.consent

export interface ConsentView {
  action: string
  formToken: string
  person: Person
  agent: { name: string; isVerified: boolean; isNew: boolean }
  /** Null for a program on this computer. */
  host: string | null
  leadsTo: string
  server: { name: string; url: string }
  offer: Offer
  fault?: 'nothing' | 'nowhere' | undefined
}

/** Everything that somebody needs to know to say yes to less than was asked, or no. */
export function consentPage(view: ConsentView): Page {
  const { action, formToken, person, agent, host, leadsTo, server, offer, fault } = view
  const title = words.title(agent.isVerified ? agent.name : `“${agent.name}”`)
  const account = STRINGS.account
  const body = html`<form method="post" action="${action}" class="dim">${account.as(person.name, person.email, person.organization.name)}
<input type="hidden" name="form" value="${formToken}"><button class="link" name="action" value="sign-out">${account.notYou}</button></form>
<h1>${title}</h1>
${!agent.isVerified && html`<p class="warn"><small>${agent.name}: ${words.unverified}.</small></p>`}
<p>${words.returns(host ?? words.thisComputer)} ${words.at(server.name, server.url)}</p>
${agent.isNew && html`<p><small>${words.first} ${words.owner}</small></p>`}
${fault && html`<p class="warn" role="alert">${words[fault]}</p>`}
<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<fieldset><legend>${words.scopes}</legend>${offer.scopes.map(scopeRow)}</fieldset>
${offer.resources.length > 0 && reach(offer)}
<fieldset><legend>${words.duration}</legend>${duration('hour')}${duration('day', true)}${duration('month')}</fieldset>
<div class="row"><button name="action" value="deny">${words.deny}</button><button name="action" value="allow">${words.allow}</button></div></form>
<p><small>${words.promise}</small></p>`
  return { title, body, leadsTo, status: fault ? 400 : 200 }
}

function scopeRow({ slug, label, risk }: Offer['scopes'][number]): Html {
  const hint = words.risks[risk]
  return html`<label><input type="checkbox" name="scope" value="${slug}"${risk === 'read' && html` checked`}><span>${label || slug}${label !== '' && html` <small>${slug}</small>`}${hint !== '' && html` <small class="warn">(${hint})</small>`}</span></label>`
}

function reach({ resources, hasMore }: Offer): Html {
  return html`<fieldset><legend>${words.reach}</legend>
<label><input type="radio" name="reach" value="all" checked><span>${words.everything}</span></label>
<label><input type="radio" name="reach" value="some"><span>${words.only}</span></label><div class="in">
${resources.map(({ ref, name }) => html`<label><input type="checkbox" name="resource" value="${ref}"><span>${name} <small>${ref}</small></span></label>`)}
${hasMore && html`<small>${words.more(resources.length)}</small>`}</div></fieldset>`
}

function duration(name: keyof typeof words.durations, isChosen = false): Html {
  return html`<label><input type="radio" name="duration" value="${name}"${isChosen && html` checked`}><span>${words.durations[name]}</span></label>`
}

/** The end of a way that is not the person's fault: why, and the one thing that can be done. */
export function stoppedPage(view: {
  action: string
  formToken: string
  person: Person
  text: string
  /** Offers to put the program before the administrators. */
  mayAsk: boolean
  leadsTo: string
}): Page {
  const { action, formToken, person, text, mayAsk, leadsTo } = view
  const account = STRINGS.account
  const button = (value: string, label: string) =>
    html`<button name="action" value="${value}">${label}</button>`
  const body = html`<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">
<p class="dim">${account.as(person.name, person.email, person.organization.name)} <button class="link" name="action" value="sign-out">${account.notYou}</button></p>
<h1>${STRINGS.stopped.title}</h1><p role="status">${text}</p>
<div class="row">${button('deny', STRINGS.stopped.back)}${mayAsk && button('ask', STRINGS.stopped.ask)}</div></form>`
  return { title: STRINGS.stopped.title, body, leadsTo, status: 403 }
}
