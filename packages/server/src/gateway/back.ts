import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError, type ServerFact } from '@valetkey/sdk/core'
import {
  answerUpstreamFault,
  type Exchange,
  type RunningPoint,
  readOffer,
  toDefinitions,
} from '@valetkey/sdk/guard'
import { Pool } from 'undici'
import { type HeldCredential, holdCredential } from './credential.ts'
import { toUpstreamHeaders } from './headers.ts'
import { watchOffer } from './offer-watch.ts'
import { relay, sendAnswer, type Way } from './relay.ts'
import { watchStalls } from './stalls.ts'
import { toUpstreamFault } from './upstream-fault.ts'

/** The server behind the gateway: what it offers, how it is reached and with which credential. */
export interface Back {
  /** Whether all that a call needs is known: what the server offers, and the credential to use there. */
  isReady(): boolean
  /** Resolves once that is known, or cannot be had for the moment. */
  settled(): Promise<void>
  /** Why it is not known what the server offers, in words for the caller; undefined where it is. */
  blindness(): AppError | undefined
  /** Sends an admitted request on and its answer back. */
  forward(exchange: Exchange, request: IncomingMessage, response: ServerResponse): void
  faults(): ReadonlyMap<string, number>
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000
const READ_TIMEOUT_MS = 10_000
const NO_CREDENTIAL = 'The credential of this gateway towards the MCP server is not known yet.'

export function openBack(options: {
  running: RunningPoint
  upstream: URL
  timeoutMs: number
  log(message: string, fault?: unknown): void
}): Back {
  const { running, upstream, timeoutMs, log } = options
  const { point, link } = running
  const faults = new Map<string, number>()
  const pool = new Pool(upstream.origin, {
    connect: { timeout: CONNECT_TIMEOUT_MS },
    allowH2: false,
    pipelining: 1,
    maxHeaderSize: 65_536,
  })
  const credential = holdCredential({
    fetch: () => link.upstreamCredential(),
    onFailure: fault => log('The upstream credential could not be fetched.', fault),
  })
  const offer = watchOffer({
    read: () => readLists(upstream, credential, Math.min(timeoutMs, READ_TIMEOUT_MS)),
    onOffer(read) {
      point.seen.replace(read.tools)
      link
        .sendDefinitions({ definitions: toDefinitions(read) })
        .catch(fault => log('What the server offers could not be reported.', fault))
    },
    onFailure: fault => log('What the server behind the gateway offers could not be read.', fault),
  })
  renewOnChange(running, credential)
  const way: Way = {
    pool,
    path: upstream.pathname + upstream.search,
    timeoutMs,
    stalls: watchStalls(timeoutMs),
    onFault: fault => void faults.set(fault.code, (faults.get(fault.code) ?? 0) + 1),
    onListChanged: offer.refresh,
  }

  return {
    isReady: () => offer.isKnown() && credential.current() !== undefined,
    async settled() {
      await credential.wait()
      await offer.settled()
    },
    blindness: () => (offer.isKnown() ? undefined : toUpstreamFault(offer.fault())),
    forward(exchange, request, response) {
      const held = credential.current()
      if (held === undefined) {
        exchange.finish('upstream_error')
        return sendAnswer(response, answerUpstreamFault(503, exchange.message?.id ?? null, NO_CREDENTIAL))
      }
      const { method = 'GET', headers } = request
      relay(way, { method, headers: toUpstreamHeaders(headers, exchange, held) }, exchange, response)
    },
    faults: () => faults,
    async close() {
      offer.close()
      credential.close()
      way.stalls.close()
      await pool.destroy()
    },
  }
}

/** A stored credential that changes is announced as a change of the server. */
function renewOnChange({ point }: RunningPoint, credential: HeldCredential): void {
  const factNow = (): ServerFact | undefined =>
    point.replica.snapshot.catalogue.servers.get(point.server.id)?.fact
  let known = factNow()
  point.replica.onApplied(() => {
    const fact = factNow()
    if (fact === known) return
    known = fact
    credential.renew()
  })
}

async function readLists(upstream: URL, credential: HeldCredential, timeoutMs: number) {
  const held = await credential.wait()
  if (held === undefined) throw new AppError('upstream.unreachable', NO_CREDENTIAL)
  return readOffer({
    url: upstream.href,
    send: request => fetch(request, { redirect: 'error' }),
    headers: held ? { [held.header]: held.value } : {},
    timeoutMs,
  })
}
