import {
  type AccessTokenClaims,
  type AuthorizationDetail,
  intersectScopes,
  isoTime,
  type JsonObject,
  newId,
} from '@valetkey/sdk/core'
import { errors, type GrantHandler, type KoaContext, type Provider } from 'oidc-provider'
import { narrowDetails, scopesWithin } from '../authorization/details.ts'
import { attemptOf, provenCaller, provenReceiver } from '../client/attempt.ts'
import type { Caller, CallerCredential } from '../client/caller.ts'
import { issueReceiverToken } from '../receiver/receiver-token.ts'
import type { TokenWriter } from '../token/access-token.ts'
import { type ProofOptions, provenKey, tokenTypeOf } from '../token/proof-of-possession.ts'
import type { Target, TargetLookup } from '../token/target.ts'
import { available } from '../trouble.ts'
import { type ActingGrant, endOf, type GrantLookup } from './acting-grant.ts'

/** How long a token lives that an agent fetches for itself. */
export const BACKGROUND_TOKEN_SECONDS = 900

export interface GrantOptions extends ProofOptions {
  findTarget: TargetLookup
  findGrant: GrantLookup
  writeToken: TokenWriter
  addressOf: (request: KoaContext['req']) => string
}

export function addClientCredentials(provider: Provider, options: GrantOptions): void {
  const parameters = ['scope', 'resource', 'grant_id', 'authorization_details']
  provider.registerGrantType('client_credentials', clientCredentialsGrant(options), parameters, ['resource'])
}

/**
 * The client credentials grant (RFC 6749 §4.4) for agents that act for themselves or, by `grant_id`, for a person who
 * let them: one audience, never more scope than the agent's ceiling, the server's rules and that grant, and no token
 * whose issue is not on record.
 */
export function clientCredentialsGrant(options: GrantOptions): GrantHandler {
  return async ctx => {
    const receiver = provenReceiver(ctx)
    if (receiver) return issueReceiverToken(options, ctx, receiver)
    const { caller, credential } = provenCaller(ctx)
    const grant = await findActingGrant(options, ctx.oidc.params['grant_id'], caller)
    requireKind(caller, grant)
    const target = await requireTarget(options.findTarget, ctx.oidc.params['resource'], caller)
    if (grant && grant.server !== null && grant.server !== target.server)
      throw new errors.InvalidGrant('grant_server')
    const details = narrowDetails(grant?.details ?? null, detailsIn(ctx, grant))
    const wanted = grantScopes(ctx.oidc.params['scope'], caller, target, grant)
    const scopes = [...scopesWithin(details, wanted)]
    const key = await provenKey(options, ctx)
    const claims = describe(options, { caller, credential, target, scopes, grant, details })
    if (grant) options.journal.acted(grant.id)
    await available(options.journal.record(issued(claims, ctx, options)))
    ctx.body = {
      access_token: await available(options.writeToken(claims, key, caller.catalogueRevision)),
      token_type: tokenTypeOf(key),
      expires_in: claims.exp - claims.iat,
      scope: claims.scope,
      ...(details && { authorization_details: details }),
    }
  }
}

/** They bound what a person granted: an agent that acts for itself has its roles for that. */
function detailsIn(ctx: KoaContext, grant: ActingGrant | undefined): string | undefined {
  const { authorization_details: text } = ctx.oidc.params
  if (text !== undefined && !grant)
    throw new errors.InvalidAuthorizationDetails('details bound a grant, and none is named')
  return typeof text === 'string' ? text : undefined
}

/** The grant that a request names; one that is not this agent's, or has ended, is as unknown as one that never was. */
async function findActingGrant(
  { findGrant, now }: GrantOptions,
  id: unknown,
  caller: Caller,
): Promise<ActingGrant | undefined> {
  if (id === undefined) return undefined
  const refuse = (reason: string) => new errors.InvalidGrant(reason)
  if (typeof id !== 'string') throw refuse('grant_repeated')
  const grant = await available(findGrant(id, caller))
  if (!grant) throw refuse('grant_unknown')
  if (grant.organization !== caller.organization || grant.agent !== caller.agent)
    throw refuse('grant_foreign')
  if (grant.isRevoked) throw refuse('grant_revoked')
  // Else it went on for as long as the grant stands, whatever the issuer says by then.
  if (grant.isByIssuer) throw refuse('grant_by_issuer')
  // A token lives for whole seconds.
  if (grant.expiresAt !== null && grant.expiresAt < now() + 1000) throw refuse('grant_expired')
  if (grant.personStatus !== 'active') throw refuse(`person_${grant.personStatus}`)
  return grant
}

/** Some agents act only for people, some only for themselves. */
function requireKind(caller: Caller, grant: ActingGrant | undefined): void {
  const refused = grant ? 'autonomous' : 'user_authorized'
  if (caller.agentKind === refused)
    throw new errors.UnauthorizedClient('this grant is not allowed for this client', `agent_${refused}`)
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
function grantScopes(
  requested: unknown,
  caller: Caller,
  target: Target,
  grant: ActingGrant | undefined,
): string[] {
  const own = intersectScopes(caller.ceiling, target.scopes)
  const allowed = grant ? intersectScopes(own, grant.scopes) : own
  const wanted = typeof requested === 'string' ? requested.split(' ').filter(Boolean) : []
  const granted = wanted.length === 0 ? allowed : intersectScopes(wanted, allowed)
  if (granted.length > 0) return granted
  const reasons = [
    target.scopes.length === 0 && 'server_has_no_rules',
    own.length === 0 && 'ceiling',
    allowed.length === 0 && 'grant_scopes',
  ]
  const reason = reasons.find(one => one !== false) || 'scope_foreign'
  throw new errors.InvalidScope('none of the requested scopes can be granted', undefined, reason)
}

function describe(
  { issuer, now }: GrantOptions,
  issue: {
    caller: Caller
    credential: CallerCredential
    target: Target
    scopes: string[]
    grant: ActingGrant | undefined
    details: readonly AuthorizationDetail[] | null
  },
): AccessTokenClaims {
  const { caller, credential, target, scopes, grant, details } = issue
  const iat = Math.floor(now() / 1000)
  const end = grant ? endOf(grant, scopes) : Number.POSITIVE_INFINITY
  return {
    iss: issuer,
    sub: grant?.person ?? caller.agent,
    aud: target.audience,
    exp: Math.min(iat + BACKGROUND_TOKEN_SECONDS, Math.floor(end / 1000)),
    iat,
    jti: newId('accessToken', now()),
    client_id: caller.clientId,
    scope: scopes.join(' '),
    org: caller.organization,
    agent: caller.agent,
    cred: credential.id,
    ...(grant && { gid: grant.id }),
    ...(details && { authorization_details: [...details] }),
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
  if (claims.gid !== undefined) Object.assign(detail, { grant: claims.gid, person: claims.sub })
  if (attemptOf(ctx).addressing === 'legacy') detail['legacyAudience'] = true
  return { organization: claims.org, type: 'token.issued', actor: claims.agent, target: claims.jti, detail }
}
