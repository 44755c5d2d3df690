import { createForwarder, type Forwarder, Halted, type InboundToken } from '../agent/index.ts'
import { AppError } from '../core/index.ts'
import type { Exchange } from './enforcement/exchange.ts'
import type { Point } from './enforcement/point.ts'
import type { HandlerOptions } from './handler.ts'
import type { Incoming } from './incoming.ts'
import { valetkeyOf } from './valetkey.ts'

/** Where a call goes on to. */
export interface Next {
  /** The URL of the MCP server that is called next, as it is registered. */
  to: string
  /** Scopes, separated by spaces; all that the caller's token has there, where it is left out. */
  scope?: string
}

/** Calls that are under way, and how other servers are called for those who made them. */
export interface Onward {
  /** Takes note of a call by what its handler is given; for as long as that is held. */
  note(given: { request: Request; options: HandlerOptions }, incoming: Incoming, exchange: Exchange): void
  fetch(point: Point, call: unknown, next: Next): typeof globalThis.fetch
}

interface Call {
  exchange: Exchange
  incoming: Incoming
}

export function createOnward(serverKey: string): Onward {
  const calls = new WeakMap<object, Call>()
  let forwarder: Forwarder | undefined
  return {
    note({ request, options }, incoming, exchange) {
      const call = { exchange, incoming }
      calls.set(request, call)
      calls.set(options.valetkey, call)
    },
    fetch(point, from, { to: resource, scope }) {
      const call = (from instanceof Request && calls.get(from)) || calls.get(valetkeyOf(from))
      if (!call) throw new AppError('config.invalid', 'This call did not come through this guard.')
      const { exchange, incoming } = call
      if (!exchange.isIdentified)
        throw new AppError('token.refused', 'Who calls has no identity here: nobody else is called for it.')
      const { issuer, clock } = point
      forwarder ??= createForwarder({ issuer, serverKey, now: clock.now })
      const { token: id, expiresAt } = exchange.caller
      const [, value = ''] = incoming.header('authorization')?.split(' ') ?? []
      const inbound: InboundToken = { id, value, expiresAt }
      return whileOpen(exchange, forwarder.fetch(inbound, { resource, ...(scope && { scope }) }))
    },
  }
}

/** Ends with the call that it is made for, when that is cut. */
function whileOpen({ signal }: Exchange, send: typeof globalThis.fetch): typeof globalThis.fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    try {
      signal.throwIfAborted()
      return await send(request, { signal: AbortSignal.any([request.signal, signal]) })
    } catch (fault) {
      if (!signal.aborted) throw fault
      throw new Halted('The call that this one is made for was cut off.', fault)
    }
  }
}
