import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError } from '../core/index.ts'
import type { Caller } from '../engine/index.ts'
import { admit } from './enforcement/admit.ts'
import { forward } from './forward.ts'
import { type Handler, toOptions } from './handler.ts'
import type { Incoming, Outgoing } from './incoming.ts'
import { keepTrying } from './keep-trying.ts'
import { fromNode, targetOf, writeOutgoing } from './node-http.ts'
import { readOffer, toDefinitions } from './offer/offer.ts'
import { createOnward, type Next } from './onward.ts'
import { openPoint, type PointOptions, type RunningPoint } from './open-point.ts'
import { answerPlain, answerRefused } from './protocol/answer.ts'
import { answerMetadata, isMetadataPath } from './resource-metadata.ts'
import { fromWeb, toResponse } from './web.ts'

export interface GuardOptions extends Partial<Omit<PointOptions, 'kind'>> {
  maxBodyBytes?: number
}

/** The enforcement point in front of an MCP server in the same process. */
export interface Guard {
  /** Resolves with the server that its key names once calls can be decided; until then they are refused. */
  ready(): Promise<{ id: string; name: string; url: string }>
  /** Guards a handler: answers the metadata document, refuses what is not permitted, hands on the rest. */
  fetch(handler: Handler): (request: Request) => Promise<Response>
  /** The same for `node:http`, Express and the like; other paths go to `next`. */
  node(
    handler: Handler,
  ): (request: IncomingMessage & { body?: unknown }, response: ServerResponse, next?: () => void) => void
  /**
   * A `fetch` for another MCP server, for whoever made a call: with a token that the authority exchanges for the caller's own,
   * which itself goes nowhere. `call` is what the handler was given, or what tool code gets beside its arguments.
   * @example await guard.forward(request, { to: 'https://mcp.example.com/billing' })(url, { method: 'POST', body })
   */
  forward(call: unknown, next: Next): typeof globalThis.fetch
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
  const onward = createOnward(pointOptions.serverKey)
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

  async function handle({ handler, look }: Attached, incoming: Incoming): Promise<Outgoing> {
    const started =
      running ?? (await Promise.race([starting.opened, wait(START_WAIT_MS)]).catch(() => undefined))
    if (!started)
      return answerRefused(null, {
        id: '-',
        reason: 'stale',
        detail: 'the guard has not reached the authority yet',
      })
    const { point } = started
    const { method, target, header } = incoming
    const [path = ''] = target.split('?', 1)
    if (path !== ownPath && isMetadataPath(point.server.url, path)) return answerMetadata(point)
    const body = await incoming.text(maxBodyBytes)
    if (body === undefined) return answerPlain(413, `The body is longer than ${maxBodyBytes} bytes.`)
    if (body === null) return answerPlain(415, 'The body is not UTF-8.')
    await look(started)
    const admission = await admit(point, {
      httpMethod: method,
      target,
      header,
      body,
      isAsSent: incoming.isAsSent,
    })
    if (admission.kind === 'answer') return admission.answer
    return forward(point, handler, incoming, admission.exchange, onward)
  }

  async function serve(attached: Attached, request: IncomingMessage, response: ServerResponse) {
    try {
      const publicUrl = running?.point.server.url ?? 'http://guard/'
      const answer = await handle(attached, fromNode(request, response, publicUrl))
      // What is left of a body that was not read to its end would be taken for the next request.
      if (!request.complete) response.setHeader('connection', 'close')
      await writeOutgoing(answer, response)
    } catch (fault) {
      log('A guarded request failed.', fault)
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end()
    }
  }

  return {
    ready: async () => (await starting.opened).point.server,
    fetch: handler => {
      const attached = attach(handler)
      return async request => toResponse(await handle(attached, fromWeb(request)))
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
    forward(call, next) {
      if (!running) throw new AppError('config.invalid', 'This call did not come through this guard.')
      return onward.fetch(running.point, call, next)
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
    const options = toOptions(point, NOBODY)
    const look = readOffer({ url: point.server.url, send: request => handler(request, options) })
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
