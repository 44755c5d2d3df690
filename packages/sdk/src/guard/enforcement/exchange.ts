import type { Json, JsonObject } from '../../core/index.ts'
import { type Caller, mayUse, type Refusal } from '../../engine/index.ts'
import { type Answer, answerPlain, answerRefused, answerUnauthorized } from '../protocol/answer.ts'
import type { Message } from '../protocol/message.ts'
import type { OpenExchange } from './open-exchanges.ts'
import type { Point } from './point.ts'
import { noteOutcome, type OutcomeName, type Ruling } from './ruling.ts'

/** A message (or stream) that was let through, until its answer is complete. */
export interface Exchange {
  readonly caller: Caller
  /** Null for the streams and session ends of the 2025-11-25 era. */
  readonly message: Message | null
  /** The answer is a list: it can only be passed on whole. */
  readonly isList: boolean
  /** What is sent on: the parsed message, written again. */
  readonly body: string | null
  /** Where a stream goes on, in the server's own words. */
  readonly lastEventId: string | undefined
  /** Aborts when the exchange is cut: the caller was revoked, or this point stops. */
  readonly signal: AbortSignal
  /** The same without the cost of a signal, for one listener. */
  onCut(listener: () => void): void
  /** What a caller is told whose exchange was cut before its answer began. */
  answerCut(): Answer
  /** Looks at the head of the answer. */
  answered(status: number, header: (name: string) => string | null | undefined): void
  /** A message of the answer, as the caller may see it. */
  relay(text: string): string
  /** An event id of the answer, as the caller may name it later. */
  relayEventId(id: string): string
  /** Records how it ended; without an outcome, what the answer said. Later calls do nothing. */
  finish(outcome?: OutcomeName): void
}

interface Listing {
  member: string
  kind: 'tool' | 'resource' | 'prompt'
  key: string
}

/** The lists that show only what the caller could use. */
const LISTS: Record<string, Listing> = {
  'tools/list': { member: 'tools', kind: 'tool', key: 'name' },
  'resources/list': { member: 'resources', kind: 'resource', key: 'uri' },
  'resources/templates/list': { member: 'resourceTemplates', kind: 'resource', key: 'uriTemplate' },
  'prompts/list': { member: 'prompts', kind: 'prompt', key: 'name' },
}

export interface Admitted {
  caller: Caller
  message: Message | null
  rulings: readonly Ruling[]
  session: string | undefined
  lastEventId: string | undefined
  isStream: boolean
}

export function openExchange(point: Point, admitted: Admitted): Exchange {
  const { caller, message, rulings } = admitted
  const startedAt = point.clock.monotonic()
  const state: { refusal: Refusal | null; isCut: boolean } = { refusal: null, isCut: false }
  let abort: AbortController | undefined
  let onCut = () => {}
  const listing = message?.method ? LISTS[message.method] : undefined
  let { session } = admitted
  let outcome: OutcomeName = 'ok'
  let isFinished = false
  const entry: OpenExchange = {
    caller,
    isStream: admitted.isStream,
    cut(refusal) {
      Object.assign(state, { refusal, isCut: true })
      finish(refusal ? 'revoked' : 'cancelled')
      onCut()
      abort?.abort()
    },
  }
  point.open.add(entry)

  function finish(ended: OutcomeName = outcome): void {
    if (isFinished) return
    isFinished = true
    point.open.remove(entry)
    const took = point.clock.monotonic() - startedAt
    for (const { decision } of rulings) noteOutcome(point, caller, decision.id, ended, took)
  }

  return {
    caller,
    message,
    isList: listing !== undefined,
    body: message ? JSON.stringify(message.json) : null,
    lastEventId: admitted.lastEventId,
    get signal() {
      abort ??= new AbortController()
      if (state.isCut) abort.abort()
      return abort.signal
    },
    onCut(listener) {
      onCut = listener
      if (state.isCut) listener()
    },
    answerCut: () => answerCut(point, message, rulings, state.refusal),
    answered(status, header) {
      const given = header('mcp-session-id')
      if (given && message?.method === 'initialize') {
        point.sessions.bind(given, caller)
        session = given
      }
      if (status >= 500) outcome = 'upstream_error'
      else if (status >= 400) outcome = 'protocol_error'
    },
    relay(text) {
      if (!message || listing) {
        const shown = filterList(point, caller, listing, message, text)
        if (shown !== undefined) return shown
      } else if (rulings.length > 0) outcome = outcomeOf(point, caller, text) ?? outcome
      return text
    },
    relayEventId: id => point.sessions.toEventId(id, session, caller),
    finish,
  }
}

function answerCut(
  point: Point,
  message: Message | null,
  rulings: readonly Ruling[],
  refusal: Refusal | null,
): Answer {
  const id = message?.id ?? null
  if (!refusal) return answerPlain(503, 'This enforcement point stops.', { 'retry-after': '1' })
  if (refusal.reason === 'revoked') {
    const detail = `${refusal.detail}: revoked while the call was under way`
    return answerUnauthorized(id, { metadata: point.metadataUrl, scopes: [], detail })
  }
  return answerRefused(id, { id: rulings[0]?.decision.id ?? '-', ...refusal })
}

/** Most answers are neither errors nor tasks: a look at the text spares parsing them. */
function outcomeOf(point: Point, caller: Caller, text: string): OutcomeName | undefined {
  if (!text.includes('"isError"') && !text.includes('"error"') && !text.includes('"taskId"')) return undefined
  const answer = parseObject(text)
  if (!answer) return undefined
  if (objectOf(answer['error'])) return 'protocol_error'
  const result = objectOf(answer['result'])
  const task = objectOf(result?.['task'])?.['taskId'] ?? result?.['taskId']
  if (typeof task === 'string') point.sessions.bindTask(task, caller)
  return result?.['isError'] === true ? 'tool_error' : undefined
}

/**
 * Leaves of a list what the caller could use, in the server's own order. A list that differs by caller must not be
 * kept by a shared cache (MCP 2026-07-28, caching: `cacheScope`), nor outlive the token.
 */
function filterList(
  point: Point,
  caller: Caller,
  asked: Listing | undefined,
  message: Message | null,
  text: string,
): string | undefined {
  // A resumed stream brings answers again without saying to what.
  if (!asked && !text.includes('"result"')) return undefined
  const answer = parseObject(text)
  const result = objectOf(answer?.['result'])
  if (!answer || !result || (message && answer['id'] !== message.id)) return undefined
  const listing = asked ?? Object.values(LISTS).find(({ member }) => member in result)
  if (!listing) return undefined
  const items = result[listing.member]
  const things = (Array.isArray(items) ? items : []).filter(
    (item): item is JsonObject => objectOf(item) !== undefined,
  )
  if (listing.kind === 'tool') point.seen.see(things)
  const now = point.clock.now()
  result[listing.member] = things.filter(thing => {
    const name = String(thing[listing.key] ?? '')
    const definition = listing.kind === 'tool' ? point.seen.definition(name) : null
    return mayUse(
      point.replica.snapshot,
      { server: point.server.id, caller, now },
      { kind: listing.kind, name, definition },
    )
  })
  if (message?.era === 'modern') {
    result['cacheScope'] = 'private'
    const ttl = result['ttlMs']
    result['ttlMs'] = Math.max(0, Math.min(typeof ttl === 'number' ? ttl : 0, caller.expiresAt - now))
  }
  return JSON.stringify(answer)
}

function parseObject(text: string): JsonObject | undefined {
  try {
    return objectOf(JSON.parse(text) as Json)
  } catch {
    return undefined
  }
}

function objectOf(value: Json | undefined): JsonObject | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined
}
