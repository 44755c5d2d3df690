import { CATALOGUE, type Change, isCatalogueChange, type ResetEvent } from '@valetkey/sdk/core'
import type * as z from 'zod'

/**
 * What of a change concerns the enforcement points of one server: of the catalogue, its own entry and its own tools,
 * all roles and permissions, since a role that was held back would be missing once a tool is mapped to it,
 * and which server may call which, by their ids. The
 * revision is delivered even where nothing is left of it.
 */
export function changeFor(server: string, change: Change): Change {
  if (!isCatalogueChange(change)) return change
  const ops = change.ops.filter(op => {
    if (op.fact === 'server') return op.id === server
    if (op.fact === 'tool') return op.value === null || op.value.server === server
    return true
  })
  return ops.length === change.ops.length
    ? change
    : { organization: CATALOGUE, revision: change.revision, ops }
}

/** Of a change, by the server it is cut down to: the bytes that all subscribers of that server share. */
const bodies = new WeakMap<Change, Map<string, Buffer>>()
const EVERY_SERVER = ''

/** A `change` event for a subscriber of a server. Only the line with the position is its own. */
export function changeFrame(server: string, change: Change, position: string): Uint8Array {
  const known = bodies.get(change) ?? new Map<string, Buffer>()
  bodies.set(change, known)
  let body = known.get(EVERY_SERVER) ?? known.get(server)
  if (!body) {
    const own = changeFor(server, change)
    body = Buffer.from(`event: change\ndata: ${JSON.stringify(own)}\n`)
    known.set(own === change ? EVERY_SERVER : server, body)
  }
  return Buffer.concat([body, Buffer.from(`id: ${position}\n\n`)])
}

export function resetFrame(organization: string, position: string): Uint8Array {
  const event: z.infer<typeof ResetEvent> = { organization }
  return Buffer.from(`event: reset\ndata: ${JSON.stringify(event)}\nid: ${position}\n\n`)
}

/** A comment: keeps proxies from closing a quiet connection, and finds out whether the other side is gone. */
export const BEAT: Uint8Array = Buffer.from(': beat\n\n')
