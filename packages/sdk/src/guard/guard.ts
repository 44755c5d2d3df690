import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError } from '../core/index.ts'
import type { Caller } from '../engine/index.ts'
import { admit } from './enforcement/admit.ts'
import type { Exchange } from './enforcement/exchange.ts'
import { keepTrying } from './keep-trying.ts'
import { targetOf, toWebRequest, writeWebResponse } from './node-http.ts'
import { readOffer, toDefinitions } from './offer/offer.ts'
import { openPoint, type PointOptions, type RunningPoint } from './open-point.ts'
import { answerPlain, answerRefused, answerUpstreamFault } from './protocol/answer.ts'
import { answerMetadata, isMetadataPath } from './resource-metadata.ts'
import { readText, relayResponse, toResponse } from './web.ts'

/** What the SDK's handlers take beside the request: who calls, and the body that was parsed already. */
export interface HandlerOptions {
  authInfo: AuthInfo
  parsedBody?: unknown
}

/** The SDK's own shape. The token itself is withheld: nothing behind the guard has a use for it that would be right. */
export interface AuthInfo {
  token: string
  clientId: string
  scopes: string[]
  expiresAt: number
  resource: URL
  extra: { organization: string; agent: string; person: string | null; grant: string | null }
}

/** An MCP server as a fetch-style handler: SDK v2's `createMcpHandler(…).fetch`, SDK v1's web-standard transport, or your own. */
export type Handler = (request: Request, options: HandlerOptions) => Response | Promise<Response>

export interface GuardOptions extends Partial<Omit<PointOptions, 'kind'>> {
  maxBodyBytes?: number
}

/** The enforcement point in front of an MCP server in the same process. */
export interface Guard {
  /** Resolves once calls can be decided; until then they are refused. */
  ready(): Promise<void>
  /** Guards a handler: answers the metadata document, refuses what is not permitted, hands on the rest. */
  fetch(handler: Handler): (request: Request) => Promise<Response>
  /** The same for `node:http`, Express and the like; other paths go to `next`. */
  node(
    handler: Handler,
  ): (request: IncomingMessage & { body?: unknown }, response: ServerResponse, next?: () => void) => void
  /** Counts of decisions and the state of the spool, for Prometheus. */
  metrics(): string
  close(): Promise<void>
}

const START_WAIT_MS = 3_000
const LOOK_AGAIN_MS = 60_000
const LOOK_AFTER_FAULT_MS = 1_000

/**
 * Puts a guard in front of an MCP server. Reads VALETKEY_URL, VALETKEY_SERVER_KEY and VALETKEY_DIRECTORY where the
 * options do not say. While the authority cannot be reached, every call is refused.
 */
export function createGuard(options: GuardOptions = {}): Guard {
  const { maxBodyBytes = 1 << 20, log = complain } = options
  const pointOptions = toPointOptions({ ...options, log })
  const starting = keepTrying(() => openPoint(pointOptions), log)
  let running: RunningPoint | undefined
  let ownPath = ''
  void starting.opened.then(
    opened => {
      running = opened
      ownPath = new URL(opened.point.server.url).pathname
    },
    fault => log('The guard does not start, and refuses every call.', fault),
  )

  /** A handler with the look at what it offers, which begins as soon as the authority is reached. */
  function attach(handler: Handler): Attached {
    const look = createLook(handler)
    void starting.opened.then(look, () => undefined)
    return { handler, look }
  }

  async function handle({ handler, look }: Attached, request: Request): Promise<Response> {
    const started =
      running ?? (await Promise.race([starting.opened, wait(START_WAIT_MS)]).catch(() => undefined))
    if (!started)
      return toResponse(
        answerRefused(null, {
          id: '-',
          reason: 'stale',
          detail: 'the guard has not reached the authority yet',
        }),
      )
    const { point } = started
    const target = targetIn(request.url)
    const [path = ''] = target.split('?', 1)
    if (path !== ownPath && isMetadataPath(point.server.url, path)) return toResponse(answerMetadata(point))
    const text = await readText(request.body, maxBodyBytes)
    if (text === undefined)
      return toResponse(answerPlain(413, `The body is longer than ${maxBodyBytes} bytes.`))
    if (text === null) return toResponse(answerPlain(415, 'The body is not UTF-8.'))
    await look(started)
    const admission = await admit(point, {
      httpMethod: request.method,
      target,
      header: name => request.headers.get(name) ?? undefined,
      body: text,
    })
    if (admission.kind === 'answer') return toResponse(admission.answer)
    return forward(started, handler, request, admission.exchange)
  }

  async function serve(
    attached: Attached,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<void> {
    try {
      const request = toWebRequest(incoming, outgoing, running?.point.server.url ?? 'http://guard/')
      const response = await handle(attached, request)
      // What is left of a body that was not read to its end would be taken for the next request.
      if (!incoming.complete) outgoing.setHeader('connection', 'close')
      await writeWebResponse(response, outgoing)
    } catch (fault) {
      log('A guarded request failed.', fault)
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(500).end()
    }
  }

  return {
    ready: async () => void (await starting.opened),
    fetch: handler => {
      const attached = attach(handler)
      return request => handle(attached, request)
    },
    node: handler => {
      const attached = attach(handler)
      return (incoming, outgoing, next) => {
        const path = targetOf(incoming).split('?', 1)[0] ?? '/'
        if (next && running && path !== ownPath && !isMetadataPath(running.point.server.url, path))
          return next()
        void serve(attached, incoming, outgoing)
      }
    },
    metrics: () => running?.metrics() ?? '',
    async close() {
      starting.stop()
      await running?.close()
    },
  }
}

/** What nobody else is told of goes to stderr: a guard that refuses everything must not be silent about why. */
function complain(message: string, fault?: unknown): void {
  process.stderr.write(`valetkey: ${message}${fault instanceof Error ? ` ${fault.message}` : ''}\n`)
}

function toPointOptions(options: GuardOptions): PointOptions {
  const url = options.url ?? process.env['VALETKEY_URL']
  const serverKey = options.serverKey ?? process.env['VALETKEY_SERVER_KEY']
  if (!url) throw new AppError('config.invalid', 'Set VALETKEY_URL to where the authority answers.')
  if (!serverKey)
    throw new AppError(
      'config.invalid',
      'Set VALETKEY_SERVER_KEY to a key of this server (valetkey server key create).',
    )
  const directory = options.directory ?? process.env['VALETKEY_DIRECTORY'] ?? '.valetkey/guard'
  return { ...options, url, serverKey, directory, kind: 'guard' }
}

async function forward(
  running: RunningPoint,
  handler: Handler,
  request: Request,
  exchange: Exchange,
): Promise<Response> {
  const { caller, message } = exchange
  const inner = toInner(request, exchange)
  const authInfo = toAuthInfo(running.point.server.url, caller)
  request.signal.addEventListener('abort', () => exchange.finish('cancelled'), { once: true })
  try {
    const response = await Promise.race([
      handler(inner, { authInfo, ...(message && { parsedBody: message.json }) }),
      new Promise<never>((_, reject) => exchange.onCut(() => reject(CUT))),
    ])
    return await relayResponse(response, exchange)
  } catch (fault) {
    if (exchange.signal.aborted) return toResponse(exchange.answerCut())
    exchange.finish('upstream_error')
    if (fault instanceof AppError)
      return toResponse(answerUpstreamFault(fault.status, message?.id ?? null, fault.message))
    throw fault
  }
}

const CUT = new Error('The exchange was cut.')

/** The request as the handler gets it: the parsed message written again, without the caller's credential. */
function toInner(request: Request, exchange: Exchange): Request {
  const { body, lastEventId } = exchange
  const { url, method, headers } = request
  const inner = new Request(url, { method, headers, ...(body !== null && { body }) })
  for (const name of ['authorization', 'content-length', 'last-event-id']) inner.headers.delete(name)
  if (lastEventId !== undefined) inner.headers.set('last-event-id', lastEventId)
  // Made when it is looked at: signals that follow others cost more than the decision, and few handlers look.
  let signal: AbortSignal | undefined
  Object.defineProperty(inner, 'signal', {
    get: () => (signal ??= AbortSignal.any([request.signal, exchange.signal])),
  })
  return inner
}

/** Path and query of a web request's address, which is in its normal form already. */
function targetIn(url: string): string {
  const from = url.indexOf('/', url.indexOf('//') + 2)
  const fragment = url.indexOf('#', from)
  return fragment === -1 ? url.slice(from) : url.slice(from, fragment)
}

function toAuthInfo(resource: string, caller: Caller): AuthInfo {
  const { organization, agent, person, grant } = caller
  return {
    token: '',
    clientId: caller.client,
    scopes: [...caller.scopes],
    expiresAt: Math.floor(caller.expiresAt / 1000),
    resource: new URL(resource),
    extra: { organization, agent, person, grant },
  }
}

interface Attached {
  handler: Handler
  look(running: RunningPoint): Promise<void>
}

/**
 * Looks at what a handler offers: at the start (so that it can be mapped before anyone may call it), before the first
 * call, and again from time to time, so that a changed tool is refused.
 */
function createLook(handler: Handler): (running: RunningPoint) => Promise<void> {
  let lookedAt = Number.NEGATIVE_INFINITY
  let first: Promise<void> | undefined
  return ({ point, link }) => {
    const now = point.clock.monotonic()
    if (now - lookedAt < LOOK_AGAIN_MS) return first ?? Promise.resolve()
    lookedAt = now
    const authInfo = toAuthInfo(point.server.url, NOBODY)
    const look = readOffer({ url: point.server.url, send: request => handler(request, { authInfo }) })
      .then(offer => {
        point.seen.replace(offer.tools)
        return link.sendDefinitions({ definitions: toDefinitions(offer) })
      })
      .catch(() => {
        // A server that is not ready yet is looked at again with one of the next calls.
        lookedAt = now - LOOK_AGAIN_MS + LOOK_AFTER_FAULT_MS
      })
    first ??= look
    return first
  }
}

/** Whom the guard itself reads the lists as. */
const NOBODY: Caller = {
  organization: '',
  agent: '',
  credential: '',
  client: 'valetkey-guard',
  token: '',
  scopes: [],
  expiresAt: 8.64e15,
  person: null,
  grant: null,
  chain: [],
}

function wait(ms: number): Promise<undefined> {
  return new Promise(resolve => {
    setTimeout(() => resolve(undefined), ms).unref()
  })
}
