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
  const { method, params, id } = message
  if (method === null || HOUSEKEEPING.has(method)) return []
  // A notification waits for no answer: what does is a request, whatever it calls itself.
  if (method.startsWith('notifications/') && id === null) return []
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
      return subscribed(object(params['notifications']))
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

/** What may be listened to: that lists changed, which is housekeeping, and what needs a rule of its own. */
const HEARD: ReadonlySet<string> = new Set([
  'toolsListChanged',
  'promptsListChanged',
  'resourcesListChanged',
  'resourceSubscriptions',
  'taskIds',
])

/** To hear of a resource is to read it, and to hear of a task is to get it; nothing else is known. */
function subscribed(notifications: JsonObject): Target[] {
  const method = (name: string): Target => ({ kind: 'method', name, arguments: {} })
  const { resourceSubscriptions: uris = [], taskIds } = notifications
  const names = Array.isArray(uris) ? uris : ['']
  const targets: Target[] = names.map(uri => ({ kind: 'resource', name: text(uri), arguments: {} }))
  if (taskIds !== undefined) targets.push(method('tasks/get'))
  if (Object.keys(notifications).some(name => !HEARD.has(name))) targets.push(method('subscriptions/listen'))
  return targets
}

/** The tasks that a message names, each of which is somebody's; what is no name at all is nobody's. */
export function tasksIn({ method, params }: Message): string[] {
  const { taskId } = params
  if (method?.startsWith('tasks/') && taskId !== undefined) return [text(taskId)]
  const { taskIds } = method === 'subscriptions/listen' ? object(params['notifications']) : {}
  if (taskIds === undefined) return []
  return Array.isArray(taskIds) ? taskIds.map(text) : ['']
}
