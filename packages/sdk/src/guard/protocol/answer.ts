import type { JsonObject } from '../../core/index.ts'
import { PROOF_ALGORITHMS } from '../../dpop/index.ts'
import { type Decision, describe } from '../../engine/index.ts'
import type { Target } from './action.ts'
import type { Message, MessageFault, RequestId } from './message.ts'

/** An HTTP answer that the enforcement point gives itself. */
export interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

/** Codes of our own, outside the range that JSON-RPC and MCP keep for themselves (-32768 to -32000). */
const REFUSED = 4030
const TRY_LATER = 4031

const JSON_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' }

export function answerFault(fault: MessageFault): Answer {
  const { status, code, message, data, id } = fault
  return toAnswer(status, { jsonrpc: '2.0', id, error: { code, message, ...(data && { data }) } })
}

/** How a token is shown: by itself, or with a proof of the key that it is bound to. */
export type Scheme = 'Bearer' | 'DPoP'

interface Challenge {
  metadata: string
  scopes: readonly string[]
  scheme?: Scheme
}

/** 401: the token or its proof is missing, bad, expired or revoked (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1). */
export function answerUnauthorized(
  id: RequestId | null,
  challenge: Challenge & { detail: string | null; error?: string; nonce?: string },
): Answer {
  const { detail, error = 'invalid_token', nonce, scheme = 'Bearer' } = challenge
  const sentence = detail === null ? 'No token.' : `The token is not accepted: ${detail}.`
  const body = { jsonrpc: '2.0', id, error: { code: REFUSED, message: sentence } }
  const parameters = parametersOf(challenge)
  if (detail === null)
    return toAnswer(401, body, { 'www-authenticate': `Bearer ${parameters.join(', ')}, DPoP ${ALGORITHMS}` })
  const fault = [`error="${error}"`, `error_description="${plain(detail)}"`]
  return toAnswer(401, body, {
    'www-authenticate': `${scheme} ${[...fault, ...parameters, ...algorithmsFor(scheme)].join(', ')}`,
    ...(nonce !== undefined && { 'dpop-nonce': nonce }),
  })
}

/** 403: the one refusal that asking for another token mends; names all scopes, held and needed, in one challenge. */
export function answerInsufficientScope(
  id: RequestId | null,
  challenge: Challenge & { decision: Decision },
): Answer {
  const { decision, scheme = 'Bearer' } = challenge
  const message = describe(decision)
  const fault = ['error="insufficient_scope"', `error_description="${plain(message)}"`]
  const parameters = [...fault, ...parametersOf(challenge), ...algorithmsFor(scheme)]
  return toAnswer(
    403,
    { jsonrpc: '2.0', id, error: { code: REFUSED, message, data: dataOf(decision) } },
    { 'www-authenticate': `${scheme} ${parameters.join(', ')}` },
  )
}

/**
 * Any other "no", in the form that a client of this method understands: a tool answers with a result that the model can
 * read, a thing that nobody may know of does not exist, everything else is an error with a reason.
 */
export function answerDenied(
  message: Message,
  target: Target,
  decision: Decision,
  isOffered: boolean,
): Answer {
  const { id } = message
  const sentence = describe(decision)
  const data = dataOf(decision)
  if (target.kind === 'tool') {
    if (decision.reason === 'tool_unmapped' && !isOffered)
      return toAnswer(200, {
        jsonrpc: '2.0',
        id,
        error: { code: -32602, message: `Unknown tool: ${target.name}`, data },
      })
    const result = {
      content: [{ type: 'text', text: sentence }],
      isError: true,
      _meta: { 'valetkey/denied': data },
    }
    return toAnswer(200, { jsonrpc: '2.0', id, result: withType(message, result) })
  }
  if (decision.reason !== 'tool_unmapped')
    return toAnswer(200, { jsonrpc: '2.0', id, error: { code: codeOf(decision), message: sentence, data } })
  if (target.kind === 'method') {
    const status = message.era === 'modern' ? 404 : 200
    return toAnswer(status, {
      jsonrpc: '2.0',
      id,
      error: { code: -32601, message: 'Method not found', data },
    })
  }
  const code = target.kind === 'resource' && message.era === 'legacy' ? -32002 : -32602
  const named = target.kind === 'resource' ? { ...data, uri: target.name } : data
  const what = target.kind === 'resource' ? 'Resource' : 'Prompt'
  return toAnswer(200, {
    jsonrpc: '2.0',
    id,
    error: { code, message: `${what} not found: ${target.name}`, data: named },
  })
}

/** A refusal of the caller itself that a new token does not mend: frozen, suspended, stale. */
export function answerRefused(
  id: RequestId | null,
  decision: Pick<Decision, 'id' | 'reason' | 'detail'>,
): Answer {
  return toAnswer(200, {
    jsonrpc: '2.0',
    id,
    error: { code: codeOf(decision), message: describe(decision), data: dataOf(decision) },
  })
}

/** An answer in plain HTTP, for what is not about a message. */
export function answerPlain(status: number, sentence: string, headers: Record<string, string> = {}): Answer {
  return {
    ...toAnswer(status, { jsonrpc: '2.0', id: null, error: { code: REFUSED, message: sentence } }, headers),
  }
}

/** The server behind does not answer, or not in MCP: never the caller's fault, and worth another try. */
export function answerUpstreamFault(status: number, id: RequestId | null, sentence: string): Answer {
  return toAnswer(status, {
    jsonrpc: '2.0',
    id,
    error: { code: -32603, message: sentence, data: { retryable: true } },
  })
}

function codeOf(decision: Pick<Decision, 'reason'>): number {
  return decision.reason === 'stale' || decision.reason === 'audit_unavailable' ? TRY_LATER : REFUSED
}

function dataOf(decision: Pick<Decision, 'id' | 'reason'>): JsonObject {
  return {
    reason: decision.reason,
    decision: decision.id,
    retryable: decision.reason === 'stale' || decision.reason === 'audit_unavailable',
  }
}

/** 2026-07-28 results say what they are. */
function withType(message: Message, result: JsonObject): JsonObject {
  return message.era === 'modern' ? { resultType: 'complete', ...result } : result
}

function toAnswer(status: number, body: JsonObject, headers: Record<string, string> = {}): Answer {
  return { status, headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(body) }
}

function parametersOf({ metadata, scopes }: Challenge): string[] {
  const scope = scopes.length > 0 ? [`scope="${scopes.join(' ')}"`] : []
  return [`resource_metadata="${metadata}"`, ...scope]
}

const ALGORITHMS = `algs="${PROOF_ALGORITHMS.join(' ')}"`

function algorithmsFor(scheme: Scheme): string[] {
  return scheme === 'DPoP' ? [ALGORITHMS] : []
}

/** What may stand in a quoted header value (RFC 6750 section 3: no quotes, backslashes or control characters). */
function plain(text: string): string {
  return text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")
}
