import { errors, type KoaContext } from 'oidc-provider'
import { type Context, denyToken } from '../directory/index.ts'
import type { Store } from '../store/index.ts'
import { readOwnToken } from './access-token.ts'
import { provenCaller } from './client-authentication.ts'
import { available } from './trouble.ts'

/**
 * Takes back a JWT access token (RFC 7009) for the client that it was issued to. Enforcement points learn of it as of
 * any other change. A token that is not ours, or has ended, is as revoked as it can be: no error.
 */
export async function revokeAccessToken(
  ctx: KoaContext,
  { store, issuer, now }: { store: Store; issuer: string; now: () => number },
): Promise<void> {
  const { caller } = provenCaller(ctx)
  const { agent, clientId, organization } = caller
  const claims = await available(readOwnToken(store, issuer, String(ctx.oidc.params['token']), now()))
  if (!claims) return
  // RFC 7009 §2.1: a token that was issued to another client is refused.
  if (claims.client_id !== clientId)
    throw new errors.InvalidRequest('the token was not issued to this client', undefined, 'token_foreign')
  const byAgent: Context = { store, now, actor: { id: agent, name: agent, permissions: [] } }
  const expiresAt = claims.exp * 1000
  const token = { id: claims.jti, organization, agent, expiresAt, reason: 'revoked by its client' }
  await available(denyToken(byAgent, token))
}
