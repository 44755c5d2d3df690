import { newId } from '../core/index.ts'
import type { Api, Input, Output, Route } from './route.ts'

export type Client<A extends Api> = {
  [G in keyof A]: { [O in keyof A[G]]: (input: Input<A[G][O]>) => Promise<Output<A[G][O]>> }
}

export interface ClientOptions {
  /** Where the authority answers, without `/api`. */
  baseUrl: string
  token?: () => string | Promise<string>
  fetch?: (request: Request) => Response | Promise<Response>
}

/** Thrown when the authority answers with a problem document (RFC 9457), or does not answer (`authority.unreachable`). */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly status: number
  readonly code: string
  /** Where in the input the fault lies. */
  readonly path: string | undefined
  constructor(
    status: number,
    code: string,
    message: string,
    options: { path?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.status = status
    this.code = code
    this.path = options.path
  }
}

/**
 * Builds a typed client from the contract; no code generation is involved. Creates carry an idempotency key of their
 * own and are sent once more when the connection breaks, so that a lost answer makes nothing twice.
 */
export function createClient<A extends Api>(api: A, options: ClientOptions): Client<A> {
  const client: Record<string, Record<string, (input: Record<string, unknown>) => Promise<unknown>>> = {}
  for (const [group, operations] of Object.entries(api)) {
    client[group] = Object.fromEntries(
      Object.entries(operations).map(([name, route]) => [
        name,
        (input: Record<string, unknown>) => call(route, input, options),
      ]),
    )
  }
  return client as Client<A>
}

async function call(route: Route, input: Record<string, unknown>, options: ClientOptions): Promise<unknown> {
  const send = options.fetch ?? fetch
  const request = await toRequest(route, input, options)
  const again = route.idempotent ? request.clone() : undefined
  let response: Response
  try {
    response = await send(request)
  } catch (cause) {
    if (!again) throw unreachable(options.baseUrl, cause)
    response = await Promise.resolve(send(again)).catch(reason =>
      Promise.reject(unreachable(options.baseUrl, reason)),
    )
  }
  if (route.streams && response.ok) return response.body
  const text = await response.text()
  const body = text === '' ? {} : parseBody(response.status, text)
  if (response.ok) return body
  const problem = body as { code?: string; detail?: string; title?: string; path?: string }
  throw new ApiError(
    response.status,
    problem.code ?? 'internal',
    problem.detail ?? problem.title ?? response.statusText,
    problem.path === undefined ? {} : { path: problem.path },
  )
}

function parseBody(status: number, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ApiError(status, 'internal', `The answer is not JSON: ${text.slice(0, 80)}`, { cause })
  }
}

function unreachable(baseUrl: string, cause: unknown): ApiError {
  return new ApiError(503, 'authority.unreachable', `No answer from ${baseUrl}.`, { cause })
}

async function toRequest(
  route: Route,
  input: Record<string, unknown>,
  options: ClientOptions,
): Promise<Request> {
  const rest = { ...input }
  const path = route.path.replace(/:(\w+)/g, (_, key: string) => {
    const value = String(rest[key])
    delete rest[key]
    return encodeURIComponent(value)
  })
  const url = new URL(`${options.baseUrl.replace(/\/$/, '')}/api${path}`)
  const headers = new Headers({ accept: 'application/json' })
  if (options.token) headers.set('authorization', `Bearer ${await options.token()}`)
  if (route.idempotent) headers.set('idempotency-key', newId('request'))
  const init: RequestInit = { method: route.method, headers }
  if (route.body) {
    headers.set('content-type', 'application/json')
    init.body = JSON.stringify(rest)
  } else {
    for (const [key, value] of Object.entries(rest))
      if (value !== undefined) url.searchParams.set(key, String(value))
  }
  return new Request(url, init)
}
