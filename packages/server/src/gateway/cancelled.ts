import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/server'

/** The request that a message cancels; undefined where it cancels none. */
export function cancelledBy(message: JSONRPCMessage): RequestId | undefined {
  if (!('method' in message) || message.method !== 'notifications/cancelled') return undefined
  return (message.params as { requestId?: RequestId } | undefined)?.requestId
}
