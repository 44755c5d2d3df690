import type { AccessTokenClaims } from '../core/index.ts'
import type { Caller } from './request.ts'

/** Who acts, as a verified token says. */
export function callerOf(claims: AccessTokenClaims): Caller {
  return {
    organization: claims.org,
    agent: claims.agent,
    credential: claims.cred,
    client: claims.client_id,
    token: claims.jti,
    scopes: claims.scope.split(' ').filter(Boolean),
    expiresAt: claims.exp * 1000,
    person: claims.gid === undefined ? null : claims.sub,
    grant: claims.gid ?? null,
    chain: [],
  }
}
