import type { JsonObject } from '../../core/index.ts'
import { findExcess, findMisspelt, isObject, META_VERSION } from './names.ts'
import { findJsonFault } from './strict-json.ts'

export const MODERN = '2026-07-28'
const MAX_DEPTH = 64
const FLAWS = {
  duplicate_key: 'A member is named twice in the message.',
  too_deep: `The message is nested deeper than ${MAX_DEPTH} levels.`,
  too_large: 'A number in the message is larger than any that is kept.',
} as const

export type RequestId = string | number

/** One JSON-RPC message, as far as an enforcement point must understand it. */
export interface Message {
  /** A client's answer to a request of the server has no method (2025-11-25 only). */
  method: string | null
  /** Null for notifications and answers. */
  id: RequestId | null
  params: JsonObject
  /** The message as it is forwarded: parsed once and written again. */
  json: JsonObject
  era: 'modern' | 'legacy'
}

/** What a message is refused with before anyone looks at who sent it. */
export interface MessageFault {
  status: number
  code: number
  message: string
  data?: JsonObject
  id: RequestId | null
}

/** The headers that say what a body is and what it should hold. */
export type MessageHeaders = (name: string) => string | undefined

/**
 * Parses a request body into its one message. Refuses what two programs could read differently: other encodings,
 * batches, members named twice, headers that do not say what the body says (MCP 2026-07-28, error -32020).
 */
export function parseMessage(text: string, header: MessageHeaders): Message | MessageFault {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return fault(400, -32700, 'Parse error: the body is not JSON.')
  }
  if (Array.isArray(json)) return fault(400, -32600, 'Batches are not accepted: send one message a request.')
  if (json === null || typeof json !== 'object')
    return fault(400, -32600, 'The body is not a JSON-RPC message.')
  const message = json as JsonObject
  const id = readId(message)
  const flaw = findJsonFault(text, MAX_DEPTH)
  if (flaw) return fault(400, -32600, FLAWS[flaw], id)
  if (message['jsonrpc'] !== '2.0') return fault(400, -32600, 'The message is not JSON-RPC 2.0.', id)
  if (id === null && message['id'] !== undefined && message['id'] !== null)
    return fault(400, -32600, 'The id must be a string or a number.')
  const { method, params = {} } = message
  const isAnswer = method === undefined && ('result' in message || 'error' in message)
  const foreign = Object.keys(message).find(name => !(isAnswer ? OF_ANSWERS : OF_REQUESTS).has(name))
  if (foreign !== undefined)
    return fault(400, -32600, `A message has no member "${foreign.slice(0, 100)}".`, id)
  if (isAnswer) return { method: null, id: null, params: {}, json: message, era: 'legacy' }
  if (typeof method !== 'string') return fault(400, -32600, 'The message has no method.', id)
  if (message['id'] === null) return fault(400, -32600, 'The id must be a string or a number.')
  if (!isObject(params)) return fault(400, -32602, 'The parameters must be an object.', id)
  // What is decided on must be what is called with: arguments in any other form are nobody's to guess.
  if (!isObject(params['arguments'] ?? {}) || params['arguments'] === null)
    return fault(400, -32602, 'The arguments must be an object.', id)
  const misspelt = findMisspelt(params)
  if (misspelt !== undefined)
    return fault(
      400,
      -32602,
      `Write "${misspelt}" as it is written here: some programs would take yours for it.`,
      id,
    )
  const excess = findExcess(method, params)
  if (excess !== undefined) return fault(400, -32602, excess, id)
  const era = eraOf(params, header)
  const mismatch = headerMismatch(method, params, header, era)
  if (mismatch) return fault(400, -32020, mismatch, id)
  return { method, id, params, json: message, era }
}

/**
 * Some programs (in Go and .NET, as they come) read a member of any case as the one that they know: what they would act on is
 * then not what was decided on. The message itself has no members but these.
 */
const OF_REQUESTS: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params'])
const OF_ANSWERS: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'result', 'error'])

export function isFault(parsed: Message | MessageFault): parsed is MessageFault {
  return 'status' in parsed
}

function fault(status: number, code: number, message: string, id: RequestId | null = null): MessageFault {
  return { status, code, message, id }
}

function readId(message: JsonObject): RequestId | null {
  const id = message['id']
  return typeof id === 'string' || Number.isFinite(id) ? (id as RequestId) : null
}

function bodyVersion(params: JsonObject): string | undefined {
  const meta = params['_meta']
  const version = meta && typeof meta === 'object' && !Array.isArray(meta) ? meta[META_VERSION] : undefined
  return typeof version === 'string' ? version : undefined
}

/** Dates sort as text, so that a revision to come is treated as the newest that is known, and never as an older one. */
function eraOf(params: JsonObject, header: MessageHeaders): 'modern' | 'legacy' {
  const version = bodyVersion(params) ?? header('mcp-protocol-version')
  return version !== undefined && (version >= MODERN || !/^\d{4}-\d{2}-\d{2}$/.test(version))
    ? 'modern'
    : 'legacy'
}

/**
 * Where a header that a 2026-07-28 client must send does not say what the body says. Older clients need not send them,
 * but what they send must be true all the same: a program behind may go by it.
 */
function headerMismatch(
  method: string,
  params: JsonObject,
  header: MessageHeaders,
  era: Message['era'],
): string | null {
  const isRequired = era === 'modern'
  const version = header('mcp-protocol-version')?.trim()
  const inBody = bodyVersion(params)
  if (inBody !== undefined && version !== inBody)
    return 'The MCP-Protocol-Version header does not match the version in _meta.'
  const spoken = header('mcp-method')
  if ((isRequired || spoken !== undefined) && decode(spoken) !== method)
    return 'The Mcp-Method header does not match the method of the message.'
  const name = nameOf(method, params)
  const named = header('mcp-name')
  if (name !== undefined && (isRequired || named !== undefined) && decode(named) !== name)
    return 'The Mcp-Name header does not match the name in the message.'
  return null
}

function nameOf(method: string, params: JsonObject): string | undefined {
  const value = method === 'resources/read' ? params['uri'] : params['name']
  const isNamed = method === 'tools/call' || method === 'resources/read' || method === 'prompts/get'
  return isNamed && typeof value === 'string' ? value : undefined
}

/** Header values that are not plain ASCII travel as `=?base64?…?=`. */
function decode(value: string | undefined): string | undefined {
  const encoded = /^=\?base64\?([A-Za-z0-9+/=]*)\?=$/.exec(value?.trim() ?? '')?.[1]
  return encoded === undefined ? value?.trim() : Buffer.from(encoded, 'base64').toString('utf8')
}
