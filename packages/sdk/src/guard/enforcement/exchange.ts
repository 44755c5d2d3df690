import { AppError, type Json, type JsonObject } from '../../core/index.ts'
import { type Caller, mayUse, type Refusal } from '../../engine/index.ts'
import {
  type Answer,
  answerPlain,
  answerRefused,
  answerUnauthorized,
  type Scheme,
} from '../protocol/answer.ts'
import type { Message } from '../protocol/message.ts'
import { type Authenticated, unauthorizedStranger } from './authenticate.ts'
import { noteOutcome, type OutcomeName } from './call-record.ts'
import { isIdentified } from './observe.ts'
import type { OpenExchange } from './open-exchanges.ts'
import type { Point } from './point.ts'
import type { Ruling } from './ruling.ts'

/** A message (or stream) that was let through, until its answer is complete. */
export interface Exchange {
  readonly caller: Caller
  /** False for who has no identity here, while the server is observed: its own credential goes on to the server. */
  readonly isIdentified: boolean
  /** Null for the streams and session ends of the 2025-11-25 era. */
  readonly message: Message | null
  /** The answer is a list: it can only be passed on whole. */
  readonly isList: boolean
  /** What is sent on: the parsed message, written again. */
  readonly body: string | null
  /** The session that it is part of, which is the caller's own. */
  readonly session: string | undefined
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
  kind: 'tool' | 'resource' | 'prompt' | 'task'
  key: string
}

/** The lists that show only what the caller could use, and of what is under way only its own. */
const LISTS: Record<string, Listing> = {
  'tools/list': { member: 'tools', kind: 'tool', key: 'name' },
  'resources/list': { member: 'resources', kind: 'resource', key: 'uri' },
  'resources/templates/list': { member: 'resourceTemplates', kind: 'resource', key: 'uriTemplate' },
  'prompts/list': { member: 'prompts', kind: 'prompt', key: 'name' },
  'tasks/list': { member: 'tasks', kind: 'task', key: 'taskId' },
}

export interface Admitted extends Authenticated {
  message: Message | null
  rulings: readonly Ruling[]
  session: string | undefined
  lastEventId: string | undefined
  isStream: boolean
}

export function openExchange(point: Point, admitted: Admitted): Exchange {
  const exchange = new OpenedExchange(point, admitted)
  point.open.add(exchange)
  return exchange
}

/** A class, and not a bundle of closures, because there is one for every call: engines compile its methods once. */
class OpenedExchange implements Exchange, OpenExchange {
  readonly caller: Caller
  readonly message: Message | null
  readonly body: string | null
  readonly session: string | undefined
  readonly lastEventId: string | undefined
  readonly isStream: boolean
  place = -1
  readonly #point: Point
  readonly #scheme: Scheme
  readonly #rulings: readonly Ruling[]
  readonly #listing: Listing | undefined
  readonly #startedAt: number
  /** The session of its events: that one, or the one that it begins. */
  #answersIn: string | undefined
  #outcome: OutcomeName = 'ok'
  #isFinished = false
  #isCut = false
  #refusal: Refusal | null = null
  #abort: AbortController | undefined
  #onCut: (() => void) | undefined

  constructor(point: Point, admitted: Admitted) {
    const { caller, scheme, message, rulings, session, lastEventId, isStream } = admitted
    this.caller = caller
    this.message = message
    this.body = message ? JSON.stringify(message.json) : null
    this.lastEventId = lastEventId
    this.isStream = isStream
    this.#point = point
    this.#scheme = scheme
    this.#rulings = rulings
    this.#listing = message?.method ? LISTS[message.method] : undefined
    this.#startedAt = point.clock.monotonic()
    this.session = session
    this.#answersIn = session
  }

  get isIdentified(): boolean {
    return isIdentified(this.caller)
  }

  get isList(): boolean {
    return this.#listing !== undefined
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#isCut) this.#abort.abort()
    return this.#abort.signal
  }

  onCut(listener: () => void): void {
    this.#onCut = listener
    if (this.#isCut) listener()
  }

  cut(refusal: Refusal | null): void {
    this.#refusal = refusal
    this.#isCut = true
    this.finish(refusal ? 'revoked' : 'cancelled')
    this.#onCut?.()
    this.#abort?.abort()
  }

  answerCut(): Answer {
    const refusal = this.#refusal
    const id = this.message?.id ?? null
    if (!refusal) return answerPlain(503, 'This enforcement point stops.', { 'retry-after': '1' })
    if (refusal.reason === 'unidentified') return unauthorizedStranger(this.#point, id, this.caller)
    if (refusal.reason !== 'revoked')
      return answerRefused(id, { id: this.#rulings[0]?.decision.id ?? '-', ...refusal })
    const detail = `${refusal.detail}: revoked while the call was under way`
    const metadata = this.#point.metadataUrl
    return answerUnauthorized(id, { metadata, scopes: [], detail, scheme: this.#scheme })
  }

  answered(status: number, header: (name: string) => string | null | undefined): void {
    const given = header('mcp-session-id')
    if (given && this.message?.method === 'initialize') {
      this.#point.sessions.bind(given, this.caller)
      this.#answersIn = given
    }
    if (status >= 500) this.#outcome = 'upstream_error'
    else if (status >= 400) this.#outcome = 'protocol_error'
  }

  relay(text: string): string {
    if (!this.message || this.#listing) {
      const shown = filterList(this.#point, this.caller, this.#listing, this.message, text)
      if (shown !== undefined) return shown
      // An answer of another form is read by some client in some way, and nobody has looked through it.
      if (this.#listing && this.#outcome === 'ok' && text.trim() !== '' && !parseObject(text))
        throw new AppError(
          'upstream.invalid',
          'The MCP server answers a list with something that is not MCP.',
        )
    } else if (this.#rulings.length > 0)
      this.#outcome = outcomeOf(this.#point, this.caller, text) ?? this.#outcome
    return text
  }

  relayEventId(id: string): string {
    return this.#point.sessions.toEventId(id, this.#answersIn, this.caller)
  }

  finish(outcome: OutcomeName = this.#outcome): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#point.open.remove(this)
    const took = this.#point.clock.monotonic() - this.#startedAt
    for (const { decision } of this.#rulings)
      noteOutcome(this.#point, this.caller, decision.id, outcome, took)
  }
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
  if (!answer || !result) return undefined
  const listing = asked ?? Object.values(LISTS).find(({ member }) => member in result)
  if (!listing) return undefined
  const items = result[listing.member]
  const things = (Array.isArray(items) ? items : []).filter(
    (item): item is JsonObject => objectOf(item) !== undefined,
  )
  if (listing.kind === 'tool') point.seen.see(things)
  const now = point.clock.now()
  result[listing.member] = things.filter(thing => {
    const { kind, key } = listing
    const name = String(thing[key] ?? '')
    if (kind === 'task') return point.sessions.ownsTask(name, caller)
    // Nothing else is hidden from who has no identity: only what it does is to be found out.
    if (!isIdentified(caller)) return true
    const definition = kind === 'tool' ? point.seen.definition(name) : null
    const request = { server: point.server.id, caller, now }
    return mayUse(point.replica.snapshot, request, { kind, name, definition })
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
