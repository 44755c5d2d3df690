import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AppError } from '../../core/index.ts'

/** Where the browser comes back to on this machine (RFC 8252 §7.3). */
export interface Loopback extends AsyncDisposable {
  redirectUri: string
  /** Resolves with the answer to this very request; others that knock get nothing. */
  answer(state: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<URLSearchParams>
}

const PATH = '/callback'
/** As it is registered: the port is chosen anew each time (RFC 8252 §7.3). */
export const CALLBACK = `http://127.0.0.1${PATH}`
const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** Listens on 127.0.0.1, on a port that nobody else has, until it is disposed of. */
export async function openLoopback(): Promise<Loopback> {
  let expected: string | undefined
  let arrive: (answer: URLSearchParams) => void = () => undefined
  const arrived = new Promise<URLSearchParams>(resolve => {
    arrive = resolve
  })
  const server = createServer((request, response) => {
    const answer = answerOf(request, expected)
    if (!answer) return show(response, 404, 'There is nothing here.')
    show(response, 200, 'Done. This window can be closed.')
    arrive(answer)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    redirectUri: `http://127.0.0.1:${port}${PATH}`,
    answer(state, { timeoutMs, signal }) {
      expected = state
      return new Promise((resolve, reject) => {
        const late = new AppError('token.refused', 'Nobody answered in time: ask again.')
        const timer = setTimeout(() => reject(late), timeoutMs)
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        if (signal.aborted) reject(signal.reason)
        void arrived.then(resolve).finally(() => clearTimeout(timer))
      })
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeIdleConnections()
        setTimeout(() => server.closeAllConnections(), 500).unref()
      })
    },
  }
}

/** Who does not know the state did not come from the page that was opened: a web page that guesses ports, for one. */
function answerOf(request: IncomingMessage, state: string | undefined): URLSearchParams | undefined {
  const [path, query = ''] = (request.url ?? '').split('?', 2)
  const answer = new URLSearchParams(query)
  if (request.method !== 'GET' || path !== PATH || state === undefined) return undefined
  return answer.getAll('state').length === 1 && answer.get('state') === state ? answer : undefined
}

function show(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...HEADERS, connection: 'close' })
  response.end(
    `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>${text}</title><p style="font:1rem system-ui;margin:3rem">${text}`,
  )
}
