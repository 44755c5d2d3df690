import { PROOF_ALGORITHMS } from '../dpop/index.ts'
import { scopesOf } from './enforcement/authenticate.ts'
import type { Point } from './enforcement/point.ts'
import type { Answer } from './protocol/answer.ts'

/** RFC 9728 section 3.1: the well-known part goes between host and path. */
export function metadataUrlOf(resource: string): string {
  const url = new URL(resource)
  const path = url.pathname === '/' ? '' : url.pathname
  return `${url.origin}/.well-known/oauth-protected-resource${path}${url.search}`
}

/** Both forms that clients try (MCP, authorization server discovery): with the path inserted, and at the root. */
export function isMetadataPath(resource: string, path: string): boolean {
  return (
    path === new URL(metadataUrlOf(resource)).pathname || path === '/.well-known/oauth-protected-resource'
  )
}

/** The metadata of the protected resource (RFC 9728 section 2): which authority issues tokens for this server. */
export function answerMetadata(point: Point): Answer {
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      'access-control-allow-origin': '*',
      'cache-control': 'public, max-age=60',
    },
    body: JSON.stringify({
      resource: point.server.url,
      authorization_servers: [point.issuer],
      scopes_supported: scopesOf(point),
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
      resource_name: point.server.name,
    }),
  }
}
