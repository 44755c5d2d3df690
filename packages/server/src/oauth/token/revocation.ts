import { errors, type KoaContext, type Provider } from 'oidc-provider'
import { type Context, denyToken } from '../../directory/index.ts'
import { answerOnceAuthenticated } from '../authenticated-endpoint.ts'
import { provenCaller, provenReceiver } from '../client/attempt.ts'
import type { ActingOptions } from '../grant/acting-token.ts'
import { looksLikeRefreshToken, type RefreshKey } from '../grant/refresh-family.ts'
import { revokeRefreshToken } from '../grant/refresh-token.ts'
import type { RefusalOptions } from '../refusals.ts'
import { available } from '../trouble.ts'
import { readIssuedToken } from './access-token.ts'

type Options = ActingOptions & RefusalOptions & { people?: { refreshKey: RefreshKey } | undefined }

/** Tokens are taken back by the client that they were issued to (RFC 7009). */
export function addRevocation(provider: Provider, options: Options): void {
  answerOnceAuthenticated(provider, 'revocation', options, async ctx => {
    const { people } = options
    if (people && looksLikeRefreshToken(String(ctx.oidc.params['token'])))
      await revokeRefreshToken({ ...options, refreshKey: people.refreshKey }, ctx)
    else await revokeAccessToken(options, ctx)
    return ''
  })
}

/**
 * Takes back a JWT access token. Enforcement points learn of it as of any other change. A token that is not ours, or has
 * ended, is as revoked as it can be: no error.
 */
async function revokeAccessToken({ store, issuer, now }: Options, ctx: KoaContext): Promise<void> {
  const by = revokerOf(ctx)
  const own = await available(readIssuedToken(store, issuer, String(ctx.oidc.params['token']), now()))
  if (!own) return
  const { claims } = own
  // RFC 7009 §2.1: a token that was issued to another client is refused.
  if (claims.client_id !== by.clientId)
    throw new errors.InvalidRequest('the token was not issued to this client', undefined, 'token_foreign')
  const asked: Context = { store, now, actor: { id: by.id, name: by.id, permissions: [] } }
  const { organization, agent } = by
  const expiresAt = claims.exp * 1000
  const token = { id: claims.jti, organization, expiresAt, reason: 'revoked by its client' }
  await available(denyToken(asked, { ...token, ...(agent !== undefined && { agent }) }))
}

/** The agent whose client asks, or the receiver of security events. */
function revokerOf(ctx: KoaContext): { id: string; clientId: string; organization: string; agent?: string } {
  const receiver = provenReceiver(ctx)
  if (receiver) return { ...receiver, id: receiver.clientId }
  const { agent, clientId, organization } = provenCaller(ctx).caller
  return { id: agent, clientId, organization, agent }
}
