import type { Caller } from '../engine/index.ts'
import { isIdentified } from './enforcement/observe.ts'
import type { Point } from './enforcement/point.ts'
import { createValetKey, type ValetKey } from './valetkey.ts'

/** What the SDK's handlers take beside the request: who calls, and the body that was parsed already. */
export interface HandlerOptions {
  /** Missing only for who has no identity here, while the server is observed. */
  authInfo?: AuthInfo
  /** The caller, and what of the server's data it may see. */
  valetkey: ValetKey
  parsedBody?: unknown
}

/** The SDK's own shape. The token itself is withheld: nothing behind the guard has a use for it that would be right. */
export interface AuthInfo {
  token: string
  clientId: string
  scopes: string[]
  expiresAt: number
  resource: URL
  extra: {
    organization: string
    agent: string
    person: string | null
    grant: string | null
    valetkey: ValetKey
  }
}

/** An MCP server as a fetch-style handler: SDK v2's `createMcpHandler(…).fetch`, SDK v1's web-standard transport, or your own. */
export type Handler = (request: Request, options: HandlerOptions) => Response | Promise<Response>

/** What a handler is told of the caller. */
export function toOptions(point: Point, caller: Caller): HandlerOptions {
  const { organization, agent, person, grant } = caller
  const valetkey = createValetKey(point, caller)
  if (!isIdentified(caller)) return { valetkey }
  const authInfo: AuthInfo = {
    token: '',
    clientId: caller.client,
    scopes: [...caller.scopes],
    expiresAt: Math.floor(caller.expiresAt / 1000),
    resource: new URL(point.server.url),
    extra: { organization, agent, person, grant, valetkey },
  }
  return { authInfo, valetkey }
}
