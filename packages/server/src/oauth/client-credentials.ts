import { intersectScopes, isoTime, type JsonObject, newId } from '@valetkey/sdk/core'
import { errors, type GrantHandler, type KoaContext } from 'oidc-provider'
import type { AccessTokenClaims } from './access-token.ts'
import type { Caller, CallerCredential } from './caller.ts'
import { attemptOf, provenCaller } from './client-authentication.ts'
import type { Journal } from './journal.ts'
import type { Target, TargetLookup } from './target.ts'
import { available } from './trouble.ts'

/** How long a token lives that an agent fetches for itself. */
export const BACKGROUND_TOKEN_SECONDS = 900

export interface GrantOptions {
  issuer: string
  findTarget: TargetLookup
  writeToken: (claims: AccessTokenClaims) => string
  journal: Journal
  addressOf: (request: KoaContext['req']) => string
  now: () => number
}

/**
 * The client credentials grant (RFC 6749 §4.4) for agents that act for themselves: one audience, never more scope than
 * the agent's ceiling and the server's rules, and no token whose issue is not on record.
 */
export function clientCredentialsGrant(options: GrantOptions): GrantHandler {
  return async ctx => {
    const { caller, credential } = provenCaller(ctx)
    requireOwnBehalf(caller)
    const target = await requireTarget(options.findTarget, ctx.oidc.params['resource'], caller)
    const scopes = grantScopes(ctx.oidc.params['scope'], caller, target)
    const claims = describe(options, { caller, credential, target, scopes })
    await available(options.journal.record(issued(claims, ctx, options)))
    ctx.body = {
      access_token: options.writeToken(claims),
      token_type: 'Bearer',
      expires_in: BACKGROUND_TOKEN_SECONDS,
      scope: claims.scope,
    }
  }
}

function requireOwnBehalf(caller: Caller): void {
  if (caller.agentKind === 'user_authorized')
    throw new errors.UnauthorizedClient('this grant is not allowed for this client', 'agent_user_authorized')
}

async function requireTarget(findTarget: TargetLookup, resource: unknown, caller: Caller): Promise<Target> {
  const refuse = (reason: string) => new errors.InvalidTarget(undefined, reason)
  // RFC 8707 §2; a token has one audience.
  if (resource === undefined) throw refuse('resource_missing')
  if (typeof resource !== 'string') throw refuse('resource_repeated')
  const target = await available(findTarget(resource, caller.catalogueRevision))
  if (!target) throw refuse('resource_unknown')
  if (!target.active) throw refuse('server_frozen')
  return target
}

/** Asking for too much is no error, being left with nothing is. Names that are no permission here are passed over. */
function grantScopes(requested: unknown, caller: Caller, target: Target): string[] {
  const allowed = intersectScopes(caller.ceiling, target.scopes)
  const wanted = typeof requested === 'string' ? requested.split(' ').filter(Boolean) : []
  const granted = wanted.length === 0 ? allowed : intersectScopes(wanted, allowed)
  if (granted.length > 0) return granted
  const reason =
    target.scopes.length === 0 ? 'server_has_no_rules' : allowed.length === 0 ? 'ceiling' : 'scope_foreign'
  throw new errors.InvalidScope('none of the requested scopes can be granted', undefined, reason)
}

function describe(
  { issuer, now }: GrantOptions,
  grant: { caller: Caller; credential: CallerCredential; target: Target; scopes: string[] },
): AccessTokenClaims {
  const { caller, credential, target, scopes } = grant
  const iat = Math.floor(now() / 1000)
  return {
    iss: issuer,
    sub: caller.agent,
    aud: target.audience,
    exp: iat + BACKGROUND_TOKEN_SECONDS,
    iat,
    jti: newId('accessToken', now()),
    client_id: caller.clientId,
    scope: scopes.join(' '),
    org: caller.organization,
    agent: caller.agent,
    cred: credential.id,
  }
}

function issued(claims: AccessTokenClaims, ctx: KoaContext, { addressOf }: GrantOptions) {
  const detail: JsonObject = {
    client: claims.client_id,
    credential: claims.cred,
    audience: claims.aud,
    scope: claims.scope,
    expiresAt: isoTime(claims.exp * 1000),
    address: addressOf(ctx.req),
  }
  if (attemptOf(ctx).addressing === 'legacy') detail['legacyAudience'] = true
  return { organization: claims.org, type: 'token.issued', actor: claims.agent, target: claims.jti, detail }
}
