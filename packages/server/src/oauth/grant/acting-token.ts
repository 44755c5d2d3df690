import {
  type AccessTokenClaims,
  type AuthorizationDetail,
  intersectScopes,
  isoTime,
  newId,
} from '@valetkey/sdk/core'
import { errors, type KoaContext } from 'oidc-provider'
import { type Context, revokeGrant } from '../../directory/index.ts'
import type { Store, Tx } from '../../store/index.ts'
import { narrowDetails, scopesWithin } from '../authorization/details.ts'
import { provenCaller } from '../client/attempt.ts'
import type { Caller, CallerCredential } from '../client/caller.ts'
import { type ProvenKey, tokenTypeOf } from '../token/proof-of-possession.ts'
import type { Target } from '../token/target.ts'
import { available } from '../trouble.ts'
import { type ActingGrant, endOf } from './acting-grant.ts'
import type { GrantOptions } from './client-credentials.ts'
import { heldBy } from './held-scopes.ts'

/** How long a token lives with which an agent acts for somebody who is there. */
export const INTERACTIVE_TOKEN_SECONDS = 300

export interface ActingOptions extends GrantOptions {
  store: Store
}

/** What a token is to be for: the grant behind it, the server, the most that it may carry, and the key that was proven. */
export interface Wanted {
  key: ProvenKey
  grant: string
  audience: string
  scopes: readonly string[]
  /** Of what was granted in detail, what is wanted now (RFC 9396 §6); all of it where nothing is said. */
  details?: string | undefined
}

/** A token that a person's agent gets, ready to be answered. */
export interface ActingToken {
  claims: AccessTokenClaims
  grant: ActingGrant
  body: Record<string, unknown>
}

/**
 * Issues a token by which an agent acts for a person: what was wanted, within the consent, the agent's ceiling, the server's
 * rules, and what the person holds at this moment. Everything is read anew: what was taken back is gone. What the token is
 * given for is used up in the commit that records it: undefined where it was used up before.
 */
export async function issueActingToken(
  options: ActingOptions,
  ctx: KoaContext,
  wanted: Wanted,
  redeem: { key: string; use(tx: Tx, issue: Pick<ActingToken, 'claims' | 'grant'>): Promise<boolean> },
): Promise<ActingToken | undefined> {
  const { caller, credential } = provenCaller(ctx)
  const grant = await requireGrant(options, wanted.grant, caller)
  const target = await requireTarget(options, wanted.audience, caller)
  if (grant.server !== null && grant.server !== target.server) throw new errors.InvalidGrant('grant_server')
  const details = narrowDetails(grant.details, wanted.details)
  const within = scopesWithin(details, wanted.scopes)
  const scopes = await narrow(options, { caller, grant, target, wanted: within })
  const claims = describe(options, { caller, credential, grant, target, scopes, details })
  const detail = {
    ...{ client: claims.client_id, credential: claims.cred, audience: claims.aud, scope: claims.scope },
    ...{ grant: grant.id, person: grant.person },
    ...{ expiresAt: isoTime(claims.exp * 1000), address: options.addressOf(ctx.req) },
  }
  const event = { organization: claims.org, type: 'token.issued', actor: claims.agent, target: claims.jti }
  options.journal.acted(grant.id)
  const use = (tx: Tx) => redeem.use(tx, { claims, grant })
  const isGood = await available(options.journal.record({ ...event, detail }, { key: redeem.key, use }))
  if (!isGood) return undefined
  const body = {
    access_token: await available(options.writeToken(claims, wanted.key, caller.catalogueRevision)),
    token_type: tokenTypeOf(wanted.key),
    expires_in: claims.exp - claims.iat,
    scope: claims.scope,
    ...(details && { authorization_details: details }),
  }
  return { claims, grant, body }
}

async function requireGrant(
  { findGrant, now }: ActingOptions,
  id: string,
  caller: Caller,
): Promise<ActingGrant> {
  const grant = await available(findGrant(id, caller))
  const refuse = (reason: string) => new errors.InvalidGrant(reason)
  if (!grant || grant.organization !== caller.organization || grant.agent !== caller.agent)
    throw refuse('grant_unknown')
  if (grant.isRevoked) throw refuse('grant_revoked')
  if (grant.expiresAt !== null && grant.expiresAt < now() + 1000) throw refuse('grant_expired')
  if (grant.personStatus !== 'active') throw refuse(`person_${grant.personStatus}`)
  if (caller.agentKind === 'autonomous') throw refuse('agent_autonomous')
  return grant
}

async function requireTarget(
  { findTarget }: ActingOptions,
  audience: string,
  caller: Caller,
): Promise<Target> {
  const target = await available(findTarget(audience, caller.catalogueRevision))
  if (!target) throw new errors.InvalidTarget(undefined, 'resource_unknown')
  if (!target.active) throw new errors.InvalidTarget(undefined, 'server_frozen')
  return target
}

async function narrow(
  { store, now }: ActingOptions,
  bounds: { caller: Caller; grant: ActingGrant; target: Target; wanted: readonly string[] },
): Promise<string[]> {
  const { caller, grant, target, wanted } = bounds
  const agreed = intersectScopes(intersectScopes(wanted, grant.scopes), caller.ceiling)
  // The server's scopes are single permissions, so that these are too.
  const within = intersectScopes(agreed, target.scopes)
  const held = await available(heldBy(store, grant.person, caller, within, now))
  if (held.length === 0)
    throw new errors.InvalidGrant(within.length === 0 ? 'nothing_left' : 'person_holds_nothing')
  return held
}

function describe(
  { issuer, now }: ActingOptions,
  issue: {
    caller: Caller
    credential: CallerCredential
    grant: ActingGrant
    target: Target
    scopes: string[]
    details: readonly AuthorizationDetail[] | null
  },
): AccessTokenClaims {
  const { caller, credential, grant, target, scopes, details } = issue
  const iat = Math.floor(now() / 1000)
  const end = Math.floor(endOf(grant, scopes) / 1000)
  return {
    iss: issuer,
    sub: grant.person,
    aud: target.audience,
    exp: Math.min(iat + INTERACTIVE_TOKEN_SECONDS, end),
    iat,
    jti: newId('accessToken', now()),
    client_id: caller.clientId,
    scope: scopes.join(' '),
    org: caller.organization,
    agent: caller.agent,
    cred: credential.id,
    gid: grant.id,
    ...(details && { authorization_details: [...details] }),
  }
}

/** Ends a grant because of what its agent did, or showed that somebody else did. */
export async function endGrant(options: ActingOptions, agent: string, grant: string): Promise<void> {
  const { store, now } = options
  const ctx: Context = { store, now, actor: { id: agent, name: agent, permissions: [] } }
  await available(revokeGrant(ctx, { id: grant }))
}
