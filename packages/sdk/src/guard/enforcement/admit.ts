import { newId, type Reason, TRACE_PARENT } from '../../core/index.ts'
import { type Caller, type Decision, mayObtain, type Refusal } from '../../engine/index.ts'
import { type Target, targetsOf, tasksIn } from '../protocol/action.ts'
import {
  type Answer,
  answerDenied,
  answerFault,
  answerInsufficientScope,
  answerPlain,
  answerRefused,
} from '../protocol/answer.ts'
import { isFault, type Message, parseMessage, type RequestId } from '../protocol/message.ts'
import { type Authenticated, authenticate, unauthorized, unauthorizedStranger } from './authenticate.ts'
import { noteOutcome } from './call-record.ts'
import { type Exchange, openExchange } from './exchange.ts'
import type { Inbound } from './inbound.ts'
import { isIdentified, refuseNow } from './observe.ts'
import type { Point } from './point.ts'
import { type Ruling, requestOf, rule, whyStale } from './ruling.ts'

export type Admission =
  /** `refused` says which message a decision refused and why; absent for what was refused before one. */
  | { kind: 'answer'; answer: Answer; refused?: { id: RequestId | null; reason: Reason } }
  | { kind: 'forward'; exchange: Exchange }

/** Decides whether a request goes on to the server. Every "no" is an answer, in the order of the steps below. */
export async function admit(point: Point, inbound: Inbound): Promise<Admission> {
  const misplaced = checkPlace(point, inbound)
  if (misplaced) return { kind: 'answer', answer: misplaced }
  const message = readMessage(inbound)
  if (message && 'status' in message) return { kind: 'answer', answer: message }
  const id = message?.id ?? null
  const asked = authenticate(point, inbound, message)
  const who = asked instanceof Promise ? await asked : asked
  if ('status' in who) return { kind: 'answer', answer: who }
  const { caller, scheme } = who
  const targets = message ? targetsOf(message) : []
  const refused = targets.length === 0 ? await checkCaller(point, who, id) : null
  if (refused) return { kind: 'answer', answer: refused }
  const foreign = checkHandles(point, inbound, caller, message)
  if (foreign) return { kind: 'answer', answer: foreign }
  const trace = message && traceOf(inbound, message)
  const ruled = message && targets.length > 0 ? await rule(point, caller, message, targets, trace) : []
  const denied = message && checkRulings(point, who, message, ruled)
  if (denied) return denied
  const unowned = message && checkTask(point, caller, message, ruled)
  if (unowned) return { kind: 'answer', answer: unowned }
  const exchange = openExchange(point, {
    caller,
    scheme,
    message,
    rulings: ruled,
    session: sessionOf(inbound, message),
    lastEventId: lastEventIdOf(point, inbound, caller),
    isStream: inbound.httpMethod === 'GET' || message?.method === 'subscriptions/listen',
  })
  if (inbound.httpMethod === 'DELETE') point.sessions.end(inbound.header('mcp-session-id') ?? '')
  return { kind: 'forward', exchange }
}

/** DNS rebinding (MCP, transports): a browser may call only from where the server is meant to be called from. */
function checkPlace(point: Point, inbound: Inbound): Answer | null {
  const { httpMethod, header, target } = inbound
  if (!['POST', 'GET', 'DELETE'].includes(httpMethod))
    return answerPlain(405, 'MCP is spoken with POST, GET and DELETE.', { allow: 'POST, GET, DELETE' })
  const own = point.place
  const origin = header('origin')
  if (origin !== undefined && !isAllowedOrigin(point, own, origin))
    return answerPlain(403, 'This origin may not call this server.')
  const host = header('host')
  const isOwnHost = host === undefined || host === own.host || isLoopback(hostnameOf(`http://${host}`))
  if (!isOwnHost && isLoopback(own.hostname))
    return answerPlain(403, 'This server listens on loopback: the Host header must say so.')
  if (/[?&]access_token=/i.test(target))
    return answerPlain(
      400,
      'A token in the address is refused: it would end up in logs. Send it as a header.',
    )
  return null
}

function isAllowedOrigin(point: Point, own: URL, origin: string): boolean {
  if (origin === own.origin || point.allowedOrigins.includes(origin)) return true
  return isLoopback(own.hostname) && isLoopback(hostnameOf(origin))
}

function hostnameOf(url: string): string {
  return URL.parse(url)?.hostname ?? ''
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}

function readMessage(inbound: Inbound): Message | Answer | null {
  if (inbound.httpMethod !== 'POST') return null
  if (!isUtf8Json(inbound.header('content-type') ?? ''))
    return answerPlain(415, 'The body must be application/json in UTF-8.')
  if (!/^(identity)?$/i.test(inbound.header('content-encoding') ?? ''))
    return answerPlain(415, 'An encoded body is not accepted.')
  const parsed = parseMessage(inbound.body ?? '', inbound.header)
  return isFault(parsed) ? answerFault(parsed) : parsed
}

function isUtf8Json(type: string): boolean {
  if (type === 'application/json') return true
  const charset = /;\s*charset=("?)([^\s;"]+)\1/i.exec(type)?.[2]
  return (
    /^application\/json\s*(;|$)/i.test(type.trim()) && (charset === undefined || /^utf-?8$/i.test(charset))
  )
}

/** Who is not alive, or cannot be known to be, is heard in nothing. For what needs a rule, the walk says so, on record. */
async function checkCaller(
  point: Point,
  { caller, scheme }: Authenticated,
  id: RequestId | null,
): Promise<Answer | null> {
  const { replica, clock } = point
  const isCurrent =
    (!isIdentified(caller) || (await replica.hold(caller.organization, caller.revision))) &&
    (replica.hasLease('read') || (await replica.ensureLease('read')))
  const refusal: Refusal | null = isCurrent
    ? refuseNow(point, caller)
    : { reason: 'stale', detail: whyStale(point) }
  if (!refusal) return null
  if (refusal.reason === 'unidentified') return unauthorizedStranger(point, id, caller)
  if (refusal.reason === 'revoked') return unauthorized(point, id, `${refusal.detail} is revoked`, { scheme })
  return answerRefused(id, { id: newId('decision', clock.now()), ...refusal })
}

/** Sessions and event ids of somebody else do not exist. */
function checkHandles(
  point: Point,
  inbound: Inbound,
  caller: Caller,
  message: Message | null,
): Answer | null {
  const session = sessionOf(inbound, message)
  if (session !== undefined && !point.sessions.owns(session, caller))
    return answerPlain(404, 'Session not found.')
  const eventId = inbound.header('last-event-id')
  if (eventId !== undefined && message === null && lastEventIdOf(point, inbound, caller) === undefined)
    return answerPlain(404, 'The event to resume after is not known.')
  return null
}

/** 2026-07-28 has no sessions: what is named is nobody's, and does not go on to a server that may know it. */
function sessionOf(inbound: Inbound, message: Message | null): string | undefined {
  return message?.era === 'modern' ? undefined : inbound.header('mcp-session-id')
}

/** Neither do tasks of somebody else. Looked at last: a server without tasks knows no such method at all. */
function checkTask(point: Point, caller: Caller, message: Message, ruled: readonly Ruling[]): Answer | null {
  const task = tasksIn(message).find(named => !point.sessions.ownsTask(named, caller))
  if (task === undefined) return null
  for (const { decision } of ruled) noteOutcome(point, caller, decision.id, 'protocol_error', 0)
  return answerFault({ status: 200, code: -32602, message: `Unknown task: ${task}`, id: message.id })
}

function lastEventIdOf(point: Point, inbound: Inbound, caller: Caller): string | undefined {
  const eventId = inbound.header('last-event-id')
  return eventId === undefined
    ? undefined
    : point.sessions.fromEventId(eventId, inbound.header('mcp-session-id'), caller)
}

function checkRulings(
  point: Point,
  who: Authenticated,
  message: Message,
  rulings: readonly Ruling[],
): Admission | null {
  const denied = rulings.find(ruling => ruling.decision.decision !== 'permit' && ruling.isEnforced)
  if (!denied) return null
  const { target, decision } = denied
  return {
    kind: 'answer',
    answer: answerFor(point, who, message, target, decision),
    refused: { id: message.id, reason: decision.reason },
  }
}

function answerFor(
  point: Point,
  { caller, scheme }: Authenticated,
  message: Message,
  target: Target,
  decision: Decision,
): Answer {
  if (decision.reason === 'unidentified') return unauthorizedStranger(point, message.id, caller)
  if (decision.reason === 'revoked')
    return unauthorized(point, message.id, `${decision.detail} is revoked`, { scheme })
  if (
    decision.reason === 'scope_missing' &&
    mayObtain(point.replica.snapshot, requestOf(point, caller, target))
  ) {
    const needed = decision.permission === null ? [] : [decision.permission]
    const scopes = [...new Set([...caller.scopes, ...needed])]
    return answerInsufficientScope(message.id, { metadata: point.metadataUrl, scheme, scopes, decision })
  }
  const isOffered = target.kind === 'tool' && point.seen.offers(target.name)
  return answerDenied(message, target, decision, isOffered)
}

/** W3C trace context, from the message or the request; anything else is not written down. */
function traceOf(inbound: Inbound, message: Message): string | null {
  const meta = message.params['_meta']
  const inBody = meta && typeof meta === 'object' && !Array.isArray(meta) ? meta['traceparent'] : undefined
  const trace = typeof inBody === 'string' ? inBody : inbound.header('traceparent')
  return trace !== undefined && TRACE_PARENT.test(trace) ? trace : null
}
