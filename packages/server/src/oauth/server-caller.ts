import type { IncomingMessage, ServerResponse } from 'node:http'
import { findServerKey } from '../directory/index.ts'
import { hashSecret, type Store } from '../store/index.ts'
import type { RefusalOptions } from './refusals.ts'

/** An MCP server that asks for itself, by a key of its own (`valetkey server key create`). */
export type ServerCaller = NonNullable<Awaited<ReturnType<typeof findServerKey>>>

/** Answers with JSON that nobody keeps. */
export function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}

/** The server whose key a request brings. Where it is undefined the request has been answered, with `error` for a wrong key. */
export async function authenticateServer(
  options: RefusalOptions & { store: Store },
  request: IncomingMessage,
  response: ServerResponse,
  error: 'invalid_token' | 'invalid_client',
): Promise<ServerCaller | undefined> {
  const { store, limit, refused, addressOf } = options
  const address = addressOf(request)
  const wait = limit.waitSeconds('', address)
  if (wait > 0) {
    response.setHeader('retry-after', String(wait))
    sendJson(response, 429, {
      error: 'temporarily_unavailable',
      error_description: 'too many failed attempts',
    })
    return undefined
  }
  const key = request.headers.authorization?.slice('Bearer '.length) ?? ''
  const known = await findServerKey(store.db, hashSecret(key))
  if (known) return known
  limit.failed('', address)
  const nobody = { organization: undefined, agent: undefined, client: undefined, credential: undefined }
  const about = { audience: undefined, scope: undefined, address }
  refused({ ...nobody, ...about, error, reason: 'server_key_unknown' })
  response.setHeader('www-authenticate', 'Bearer error="invalid_token"')
  sendJson(response, 401, { error, error_description: 'the server key is unknown or revoked' })
  return undefined
}
