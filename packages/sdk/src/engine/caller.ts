import { type AccessTokenClaims, boundsOf } from '../core/index.ts'
import type { Caller } from './request.ts'

/** Who acts, as a token says that this key has signed. */
export function callerOf(claims: AccessTokenClaims, key: string | undefined): Caller {
  return {
    organization: claims.org,
    agent: claims.agent,
    credential: claims.cred,
    client: claims.client_id,
    token: claims.jti,
    ...(key !== undefined && { key }),
    scopes: claims.scope.split(' ').filter(Boolean),
    expiresAt: claims.exp * 1000,
    person: claims.gid === undefined ? null : claims.sub,
    grant: claims.gid ?? null,
    ...(claims.authorization_details && { bounds: boundsOf(claims.authorization_details) }),
    chain: claims.dlg ?? [],
    ...(claims.fwd && {
      forwarded: claims.fwd.map(({ srv, key, jti }) => ({ server: srv, key, token: jti })),
    }),
    ...(claims.cnf && { isBound: true }),
    ...(claims.rev !== undefined && { revision: claims.rev }),
  }
}
