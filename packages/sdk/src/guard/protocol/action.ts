import type { ActionKind, JsonObject } from '../../core/index.ts'
import type { Message } from './message.ts'

/** What a message asks for, in the words of the tool map. */
export interface Target {
  kind: ActionKind
  name: string
  arguments: JsonObject
}

/**
 * Methods that reveal and change nothing of their own: the handshake, lists (which are filtered) and notifications.
 * Everything else needs a rule.
 */
const HOUSEKEEPING: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'prompts/list',
])

/** Methods of the era before that 2026-07-28 does not have: no rule for a resource makes them known again. */
const GONE: ReadonlySet<string> = new Set(['resources/subscribe', 'resources/unsubscribe'])

/** What must be permitted for a message to pass, all of it; nothing for housekeeping. */
export function targetsOf(message: Message): Target[] {
  const { method, params } = message
  if (method === null || HOUSEKEEPING.has(method) || method.startsWith('notifications/')) return []
  if (message.era === 'modern' && GONE.has(method)) return [{ kind: 'method', name: method, arguments: {} }]
  switch (method) {
    case 'tools/call':
      return [{ kind: 'tool', name: text(params['name']), arguments: object(params['arguments']) }]
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return [{ kind: 'resource', name: text(params['uri']), arguments: {} }]
    case 'prompts/get':
      return [{ kind: 'prompt', name: text(params['name']), arguments: object(params['arguments']) }]
    case 'completion/complete':
      return [completed(object(params['ref']), object(params['argument']))]
    case 'subscriptions/listen':
      return subscribed(object(params['notifications'])['resourceSubscriptions'])
    default:
      return [{ kind: 'method', name: method, arguments: {} }]
  }
}

/** Completing an argument says something about what it belongs to: a prompt, or a family of resources. */
function completed(ref: JsonObject, argument: JsonObject): Target {
  if (ref['type'] === 'ref/prompt') return { kind: 'prompt', name: text(ref['name']), arguments: argument }
  return { kind: 'resource', name: text(ref['uri']), arguments: argument }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function object(value: unknown): JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : {}
}

/** To hear that lists changed is housekeeping; to hear of a resource is to read it. */
function subscribed(uris: unknown): Target[] {
  if (uris === undefined) return []
  const names = Array.isArray(uris) ? uris : ['']
  return names.map(uri => ({ kind: 'resource', name: text(uri), arguments: {} }))
}
