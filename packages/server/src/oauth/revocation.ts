import { isoTime } from '@valetkey/sdk/core'
import { errors, type KoaContext } from 'oidc-provider'
import { record } from '../audit/index.ts'
import { beginChange, type Store } from '../store/index.ts'
import { type AccessTokenClaims, readOwnToken } from './access-token.ts'
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
  const { caller, credential } = provenCaller(ctx)
  const claims = await available(readOwnToken(store, issuer, String(ctx.oidc.params['token']), now()))
  if (!claims) return
  // RFC 7009 §2.1: a token that was issued to another client is refused.
  if (claims.client_id !== caller.clientId)
    throw new errors.InvalidRequest('the token was not issued to this client', undefined, 'token_foreign')
  await available(writeRevocation(store, claims, credential.id, now()))
}

async function writeRevocation(
  store: Store,
  claims: AccessTokenClaims,
  credential: string,
  now: number,
): Promise<void> {
  const { jti: id, org, agent, exp } = claims
  const expiresAt = exp * 1000
  await store.write(async tx => {
    const known = await tx.selectFrom('revokedToken').select('id').where('id', '=', id).executeTakeFirst()
    if (known) return
    const change = await beginChange(tx, org, { actor: agent, now })
    const row = { id, organizationId: org, agentId: agent, expiresAt: isoTime(expiresAt) }
    const { numInsertedOrUpdatedRows: inserted } = await tx
      .insertInto('revokedToken')
      .values(row)
      .onConflict(conflict => conflict.doNothing())
      .executeTakeFirstOrThrow()
    if (!inserted) return
    await change.log({ fact: 'revoked_token', id, value: { id, expiresAt } })
    const detail = { credential, audience: claims.aud }
    await record(tx, { organization: org, type: 'token.revoked', actor: agent, target: id, detail }, now)
  })
}
