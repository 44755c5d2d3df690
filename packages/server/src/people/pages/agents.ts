import type { AskedOf } from '../agents/asked.ts'
import {
  type ActingAgent,
  type ActingCall,
  type ActingGrant,
  COUNTED_DAYS,
  lastUseOf,
} from '../agents/read.ts'
import { type Html, html } from './html.ts'
import type { Words } from './languages.ts'
import type { Page } from './layout.ts'

/** What all pages about somebody's agents begin with. */
export interface AgentsView {
  words: Words
  /** Path of the list. */
  base: string
  /** Path of the account page. */
  account: string
  person: { id: string; name: string; email: string; organization: { name: string } }
}

/** Everything that acts for somebody, and the way to stop it. */
export function agentsPage(
  view: AgentsView & {
    agents: readonly ActingAgent[]
    asked: readonly AskedOf[]
    /** Path below which what waits is answered. */
    waits: string
    done: string | undefined
  },
): Page {
  const { words, base, person, agents, asked, done } = view
  const { title, lead, none, unreadable, stopAll } = words.agents
  const isUnreadable = agents.some(({ calls }) => calls === undefined)
  const body = html`<p class="who">${words.account.as(person.name, person.email, person.organization.name)}</p><h1>${title}</h1>
${done !== undefined && html`<p class="done" role="status">${done}</p>`}${asked.map(one => askedCard(view, one))}<p>${agents.length > 0 ? lead : none}</p>${isUnreadable && html`<p class="warn" role="status">${unreadable}</p>`}
${agents.map(agent => card(view, agent))}
${agents.length > 1 && html`<div class="row"><a class="button" href="${base}/stop">${stopAll}</a></div>`}
<p><a href="${view.account}">${words.account.back}</a></p>`
  return { words, title, body }
}

function askedCard({ words, waits }: AgentsView & { waits: string }, one: AskedOf): Html {
  const { asks, answer, until } = words.agents
  return html`<section aria-labelledby="${one.id}"><h2 id="${one.id}">${asks(one.agent)}</h2>
${one.message !== '' && html`<p>${words.consent.says(one.message)}</p>`}<p><small>${until(one.until)}</small></p>
<div class="row"><a class="button" href="${waits}/${one.id}">${answer}</a></div></section>`
}

function card({ words, base, person }: AgentsView, agent: ActingAgent): Html {
  const { yours, answers, isStopped, lastUse, neverUsed, calls, show, stop } = words.agents
  const path = `${base}/${agent.id}`
  const used = lastUseOf(agent)
  const counted = agent.calls
  const hasCalls = counted !== undefined && counted.permitted + counted.refused > 0
  const isOne = agent.grants.length === 1
  return html`<section aria-labelledby="${agent.id}"><h2 id="${agent.id}">${agent.name}</h2>
<p><small>${agent.purpose !== '' && html`${agent.purpose}<br>`}${agent.owner.id === person.id ? yours : answers(agent.owner.name)}</small></p>${agent.isStopped && html`<p class="warn">${isStopped}</p>`}
${agent.grants.map(grant => terms(words, grant, isOne ? undefined : path))}
<p><small>${used > 0 ? lastUse(used) : neverUsed}. ${hasCalls && calls(COUNTED_DAYS, counted.permitted, counted.refused)}</small></p>
<div class="row"><a class="button" href="${path}">${show}</a><a class="button" href="${path}/stop">${stop}</a></div></section>`
}

/** One grant as a list; `path` where it can be stopped by itself. */
function terms({ agents }: Words, grant: ActingGrant, path: string | undefined): Html {
  const { may, briefly, lost, on, until, server, byAdministrator } = grant
  const isNothing = may.length + briefly.length === 0
  const lines = [
    on.length > 0 ? agents.on(on) : agents.everything,
    until === null ? agents.noEnd : agents.until(until),
    byAdministrator ? agents.byAdministrator : '',
    lost.length > 0 ? agents.lost(lost) : '',
  ].filter(line => line !== '')
  return html`<h3>${server === null ? agents.anywhere : agents.at(server)}${path !== undefined && html` <a href="${path}/stop?grant=${grant.id}"><small>${agents.stop}</small></a>`}</h3>
<ul>${isNothing ? html`<li>${agents.mayNothing}</li>` : html`${may.length > 0 && html`<li>${agents.may(may)}</li>`}${briefly.map(({ label, until: end }) => html`<li class="warn">${agents.briefly(label, end)}</li>`)}`}${lines.map(line => html`<li><small>${line}</small></li>`)}</ul>`
}

/** What an agent did for somebody, as far as it is on record. */
export function agentPage(
  view: AgentsView & { agent: { id: string; name: string }; calls: readonly ActingCall[] | undefined },
): Page {
  const { words, base, agent, calls } = view
  const { did, didNothing, unreadable, lastOnes, back, stop } = words.agents
  const title = did(agent.name)
  const lead = calls === undefined ? unreadable : calls.length === 0 ? didNothing : lastOnes(calls.length)
  const body = html`<h1>${title}</h1><p>${lead}</p>
${calls && calls.length > 0 && html`<ol class="rows">${calls.map(call => callRow(words, call))}</ol>`}
<div class="row"><a class="button" href="${base}">${back}</a><a class="button" href="${base}/${agent.id}/stop">${stop}</a></div>`
  return { words, title, body }
}

function callRow(
  { agents, timeOf }: Words,
  { id, what, resource, at, server, isPermitted, reason }: ActingCall,
): Html {
  const verdict = isPermitted ? agents.permitted : agents.refused(reason)
  return html`<li><span><strong>${what}</strong> ${resource ?? ''}<br><small>${server}, ${timeOf(at)}, ${id}</small></span> <b${!isPermitted && html` class="warn"`}>${verdict}</b></li>`
}

/** Asks once more before something is stopped. */
export function stopPage(
  view: AgentsView & {
    action: string
    formToken: string
    /** Undefined is all of them. */
    agent: { name: string } | undefined
    /** The one server that it is stopped at, and by which grant. */
    only: { grant: string; server: string } | undefined
  },
): Page {
  const { words, base, action, formToken, agent, only } = view
  const { sure, sureAll, sureOne, effect, effectAll, yes, no } = words.agents
  const title = agent ? (only ? sureOne(agent.name, only.server) : sure(agent.name)) : sureAll
  const body = html`<h1>${title}</h1><p>${agent ? effect : effectAll}</p>
<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}">${only && html`<input type="hidden" name="grant" value="${only.grant}">`}
<div class="row"><a class="button" href="${base}">${no}</a><button name="action" value="stop">${yes}</button></div></form>`
  return { words, title, body }
}
