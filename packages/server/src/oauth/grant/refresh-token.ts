import { intersectScopes } from '@valetkey/sdk/core'
import { errors, type GrantHandler, type KoaContext } from 'oidc-provider'
import { provenCaller } from '../client/attempt.ts'
import { provenKey } from '../token/proof-of-possession.ts'
import { canonicalResource } from '../token/target.ts'
import { available } from '../trouble.ts'
import { type ActingOptions, endGrant, issueActingToken } from './acting-token.ts'
import {
  createTermsLookup,
  endFamily,
  type FamilyTerms,
  findFamily,
  looksLikeRefreshToken,
  type RefreshKey,
  type Renewal,
  readRefreshToken,
  renew,
  tokenOf,
} from './refresh-family.ts'

export type RefreshOptions = ActingOptions & { refreshKey: RefreshKey }

/**
 * The refresh token grant (RFC 6749 §6, RFC 9700 §4.14): every use gives a successor, parallel uses the same one, and a
 * token that comes back after its time ends the family. What may be had is found out anew each time.
 */
export function refreshTokenGrant(options: RefreshOptions): GrantHandler {
  const findTerms = createTermsLookup(options.store)
  return async ctx => {
    const { caller } = provenCaller(ctx)
    const params = ctx.oidc.params as Record<string, string | undefined>
    if (!params['refresh_token'])
      throw new errors.InvalidRequest("missing required parameter 'refresh_token'")
    const presented = readRefreshToken(options.refreshKey, params['refresh_token'])
    const family = presented && (await available(findTerms(presented.family)))
    if (!presented || !family || family.clientId !== caller.clientId)
      throw new errors.InvalidGrant('refresh_unknown')
    const { resource } = params
    if (resource !== undefined && canonicalResource(resource) !== canonicalResource(family.audience))
      throw new errors.InvalidTarget(undefined, 'resource_other')
    const scopes = requested(params['scope'], family.scopes)
    const key = await provenKey(options, ctx)
    if (family.jkt !== null && family.jkt !== key.jkt) throw new errors.InvalidGrant('refresh_key')
    const details = params['authorization_details']
    const wanted = { key, grant: family.grantId, audience: family.audience, scopes, details }
    let renewal: Renewal | undefined
    const issued = await issueActingToken(options, ctx, wanted, {
      key: `family ${family.id}`,
      async use(tx) {
        renewal = await renew(tx, presented, options.now())
        return renewal.kind === 'renewed'
      },
    })
    if (!issued || renewal?.kind !== 'renewed') return refuse(options, family, caller.agent, renewal)
    ctx.body = { ...issued.body, refresh_token: tokenOf(options.refreshKey, family.id, renewal.counter) }
  }
}

/** RFC 6749 §6: no more than was granted; leaving it out means all of that. */
function requested(scope: string | undefined, granted: readonly string[]): readonly string[] {
  const wanted = scope?.split(' ').filter(Boolean) ?? []
  return wanted.length === 0 ? granted : intersectScopes(wanted, granted)
}

/** Of a token that came back nobody knows which of the two who have it is the thief, so neither goes on. */
async function refuse(
  options: RefreshOptions,
  family: FamilyTerms,
  agent: string,
  renewal: Renewal | undefined,
): Promise<never> {
  if (renewal?.kind === 'reused') await available(endFamily(options, family, { agent, reason: 'reused' }))
  throw new errors.InvalidGrant(`refresh_${renewal?.kind}`)
}

/** Takes back a refresh token for its client (RFC 7009 §2.1): with it goes the grant, and what was issued under it. */
export async function revokeRefreshToken(options: RefreshOptions, ctx: KoaContext): Promise<void> {
  const token = String(ctx.oidc.params['token'] ?? '')
  if (!looksLikeRefreshToken(token)) return
  const { caller } = provenCaller(ctx)
  const presented = readRefreshToken(options.refreshKey, token)
  const family = presented && (await available(findFamily(options.store, presented.family)))
  if (!family || family.clientId !== caller.clientId) return
  await available(endFamily(options, family, { agent: caller.agent, reason: 'revoked by its client' }))
  await endGrant(options, caller.agent, family.grantId)
}
