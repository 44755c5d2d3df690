import type { Json, JsonObject } from '../../core/index.ts'
import { type Caller, mayUse } from '../../engine/index.ts'
import type { Message } from '../protocol/message.ts'
import type { OpenExchange } from './open-exchanges.ts'
import type { Point } from './point.ts'
import { noteOutcome, type OutcomeName, type Ruling } from './ruling.ts'

/** A message (or stream) that was let through, until its answer is complete. */
export interface Exchange {
  readonly caller: Caller
  /** Null for the streams and session ends of the 2025-11-25 era. */
  readonly message: Message | null
  /** What is sent on: the parsed message, written again. */
  readonly body: string | null
  /** Where a stream goes on, in the server's own words. */
  readonly lastEventId: string | undefined
  /** Aborts when the caller is revoked: the answer is cut. */
  readonly signal: AbortSignal
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
  const cut = new AbortController()
  const listing = message?.method ? LISTS[message.method] : undefined
  let { session } = admitted
  let outcome: OutcomeName = 'ok'
  let isFinished = false
  const entry: OpenExchange = {
    caller,
    isStream: admitted.isStream,
    abort(reason) {
      finish('revoked')
      cut.abort(new DOMException(reason, 'AbortError'))
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
    body: message ? JSON.stringify(message.json) : null,
    lastEventId: admitted.lastEventId,
    signal: cut.signal,
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
      if (listing && message) {
        const shown = filterList(point, caller, listing, message, text)
        if (shown !== undefined) return shown
      } else if (rulings.length > 0) outcome = outcomeOf(point, caller, text) ?? outcome
      return text
    },
    relayEventId: id => point.sessions.toEventId(id, session, caller),
    finish,
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
  listing: Listing,
  message: Message,
  text: string,
): string | undefined {
  const answer = parseObject(text)
  const result = objectOf(answer?.['result'])
  const items = result?.[listing.member]
  if (!answer || !result || answer['id'] !== message.id || !Array.isArray(items)) return undefined
  const things = items.filter((item): item is JsonObject => objectOf(item) !== undefined)
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
  if (message.era === 'modern') {
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
