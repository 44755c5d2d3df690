import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  type Admission,
  type Answer,
  admit,
  answerMetadata,
  answerPlain,
  answerUpstreamFault,
  isMetadataPath,
  type RunningPoint,
} from '@valetkey/sdk/guard'
import { listenOn, originOf } from './admin.ts'
import type { Back } from './back.ts'
import { type BodyFault, readBody } from './body.ts'
import { sendAnswer } from './relay.ts'

/** The side that callers reach. */
export interface Front {
  listen(at: { host: string; port: number }): Promise<void>
  /** Where it listens, as a URL without a path. */
  origin(): string
  /** From now on calls are decided; before, all are refused. */
  serve(running: RunningPoint, back: Back): void
  metrics(server: string): string
  /** Takes no more requests; those under way may end within this time. */
  close(withinMs: number): Promise<void>
}

interface FrontOptions {
  maxBodyBytes: number
  maxExchanges: number
  log(message: string, fault?: unknown): void
}

/** Ready to answer: what to decide with, what is behind, and how callers name it. */
interface Serving {
  running: RunningPoint
  back: Back
  path: string
}

const LATER = { 'retry-after': '1' }

export function createFront(options: FrontOptions): Front {
  const { maxExchanges, log } = options
  let serving: Serving | undefined
  let underWay = 0
  let turnedAway = 0

  const server = createServer(
    {
      // Slow senders: the head within 10 s, the whole request within 30 s, looked at every 2 s.
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 32_768,
      noDelay: true,
    },
    (request, response) => {
      if (!serving)
        return sendAnswer(response, answerPlain(503, 'The gateway does not take calls now.', LATER))
      if (underWay >= maxExchanges) {
        turnedAway++
        return sendAnswer(response, answerPlain(503, 'Too many calls are under way here.', LATER))
      }
      underWay++
      response.on('close', () => {
        underWay--
      })
      handle(serving, options, request, response).catch(fault => {
        log('A request failed inside the gateway.', fault)
        sendAnswer(response, answerPlain(500, 'A fault of the gateway: it is in its log.'))
      })
    },
  )
  server.maxConnections = maxExchanges * 2
  server.on('clientError', (fault, socket) => {
    if (!socket.writable) return void socket.destroy()
    const tooLarge = 'code' in fault && fault.code === 'HPE_HEADER_OVERFLOW'
    socket.end(
      `HTTP/1.1 ${tooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'}\r\nConnection: close\r\n\r\n`,
    )
  })

  return {
    listen: at => listenOn(server, at),
    origin: () => originOf(server),
    serve(running, back) {
      serving = { running, back, path: new URL(running.point.server.url).pathname }
    },
    metrics: name => render({ name, underWay, turnedAway, faults: serving?.back.faults() ?? new Map() }),
    async close(withinMs) {
      serving = undefined
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      const cut = setTimeout(() => server.closeAllConnections(), withinMs)
      await closed
      clearInterval(idle)
      clearTimeout(cut)
    },
  }
}

async function handle(
  { running, back, path }: Serving,
  { maxBodyBytes }: FrontOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { point } = running
  const target = request.url ?? '/'
  const query = target.indexOf('?')
  const asked = query === -1 ? target : target.slice(0, query)
  if (asked !== path) {
    const isMetadata = request.method === 'GET' && isMetadataPath(point.server.url, asked)
    return sendAnswer(
      response,
      isMetadata ? answerMetadata(point) : answerPlain(404, 'There is nothing here.'),
    )
  }
  if (asked.length !== target.length)
    return sendAnswer(response, answerPlain(400, 'The address takes no query; a token is sent as a header.'))
  const body = request.method === 'POST' ? await readBody(request, maxBodyBytes) : ''
  if (typeof body === 'number') return sendAnswer(response, answerBodyFault(body, maxBodyBytes))
  if (!back.isReady()) await back.settled()
  const admission = await admit(point, {
    httpMethod: request.method ?? 'GET',
    target,
    header: name => {
      const value = request.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    body,
    isAsSent: true,
  })
  if (admission.kind === 'answer') {
    return sendAnswer(response, unlessBlind(back, admission))
  }
  // Nothing is awaited from here on: what was decided is released before any change of the policy is acknowledged.
  const { exchange } = admission
  if (response.destroyed) return exchange.finish('cancelled')
  back.forward(exchange, request, response)
}

/** A tool that cannot be compared with what was approved, because the server behind is down, did not change. */
function unlessBlind(back: Back, { answer, refused }: Admission & { kind: 'answer' }): Answer {
  const fault = refused?.reason === 'tool_changed' ? back.blindness() : undefined
  return fault ? answerUpstreamFault(fault.status, refused?.id ?? null, fault.message) : answer
}

function answerBodyFault(fault: BodyFault, maxBytes: number): Answer {
  if (fault === 413) return answerPlain(413, `The body is longer than ${maxBytes} bytes.`)
  return answerPlain(fault === 415 ? 415 : 400, 'The body is not UTF-8.')
}

function render(counts: {
  name: string
  underWay: number
  turnedAway: number
  faults: ReadonlyMap<string, number>
}): string {
  const { name, underWay, turnedAway, faults } = counts
  const lines = [
    '# TYPE valetkey_gateway_under_way gauge',
    `valetkey_gateway_under_way{server="${name}"} ${underWay}`,
    '# TYPE valetkey_gateway_turned_away_total counter',
    `valetkey_gateway_turned_away_total{server="${name}"} ${turnedAway}`,
    '# TYPE valetkey_gateway_upstream_faults_total counter',
  ]
  for (const [code, count] of faults)
    lines.push(`valetkey_gateway_upstream_faults_total{server="${name}",code="${code}"} ${count}`)
  return `${lines.join('\n')}\n`
}
