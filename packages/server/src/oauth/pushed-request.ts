import { IncomingMessage, type ServerResponse } from 'node:http'
import { completeRequest } from './authorize.ts'
import { readForm } from './body.ts'
import type { Target } from './target.ts'

/**
 * The door before the endpoint for pushed requests (RFC 9126): what is pushed is completed in the same way as what comes
 * through a browser.
 */
export function createPush(options: {
  protocol: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  findTarget(resource: string): Promise<Target | undefined>
  mayBegin(request: IncomingMessage): boolean
}): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { protocol, findTarget, mayBegin } = options
  return async (request, response) => {
    if (!mayBegin(request)) {
      const body = JSON.stringify({
        error: 'temporarily_unavailable',
        error_description: 'too many requests',
      })
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '60' }).end(body)
      return
    }
    const form = (await readForm(request)) ?? new URLSearchParams()
    await completeRequest(form, findTarget)
    await protocol(withForm(request, '/par', form), response)
  }
}

/** The same request with another body, for a reader of streams. */
function withForm(request: IncomingMessage, url: string, form: URLSearchParams): IncomingMessage {
  const body = Buffer.from(form.toString())
  const copy = new IncomingMessage(request.socket)
  const headers = { ...request.headers, 'content-length': String(body.length) }
  Object.assign(copy, { method: request.method, url, headers, complete: true })
  copy.push(body)
  copy.push(null)
  return copy
}
