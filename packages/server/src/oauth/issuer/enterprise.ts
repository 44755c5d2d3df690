import { intersectScopes, isoTime } from '@valetkey/sdk/core'
import type { JWTPayload } from 'jose'
import { errors, type KoaContext } from 'oidc-provider'
import { agreeByIssuer, type Context, foldName, readConsentPolicy } from '../../directory/index.ts'
import { attemptOf, methodOf, provenCaller } from '../client/attempt.ts'
import type { Caller } from '../client/caller.ts'
import { type ActingOptions, issueActingToken } from '../grant/acting-token.ts'
import { type ProvenKey, provenKey } from '../token/proof-of-possession.ts'
import { canonicalResource, type Target } from '../token/target.ts'
import { available } from '../trouble.ts'
import { ID_JAG_TYPE, issuerIn, onceOf, readAssertion } from './assertion.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { findIssuers, type Issuer } from './issuers.ts'

export interface EnterpriseOptions extends ActingOptions {
  tokenEndpoint: string
  keysOfIssuer: IssuerKeys
}

/** It is fetched for one use. */
const LONGEST_SECONDS = 3600
/** For how long what an issuer has said stands without being said again. */
const STANDS_MS = 24 * 60 * 60_000
/** What would bound the token in ways that are not kept here: better nothing than more than was meant. */
const UNKNOWN_BOUNDS = ['authorization_details', 'act', 'may_act']

/**
 * Enterprise-Managed Authorization: an agent brings what its organization's identity provider says of it and a person (ID-JAG,
 * draft-ietf-oauth-identity-assertion-authz-grant-04 §4.4), and acts for that person without a page. Good once, for the client and the
 * server that it names, within its scopes; what a person has narrowed or stopped here stays so.
 */
export async function redeemIdJag(options: EnterpriseOptions, ctx: KoaContext): Promise<void> {
  const { caller } = provenCaller(ctx)
  if (methodOf(ctx) === 'none') throw new errors.UnauthorizedClient('prove who you are', 'client_public')
  const assertion = String(ctx.oidc.params['assertion'])
  const { issuer, claims } = await requireSaid(options, caller, assertion)
  requireClient(ctx, claims)
  const target = await requireTarget(options, ctx, caller, claims)
  const scopes = requireScopes(ctx, caller, claims, target)
  const person = await requirePerson(options, issuer, claims)
  const key = await provenKey(options, ctx)
  requireKey(claims, key)
  const { id, expiresAt } = onceOf(assertion, claims)
  if (!(await available(options.journal.useOnce(id, expiresAt)))) throw refuse('assertion_replayed')
  const grant = await requireGrant(options, issuer, { caller, person, target, scopes })
  const wanted = { key, grant, audience: target.audience, scopes }
  const issued = await issueActingToken(options, ctx, wanted, { key: `issuer ${id}`, use: async () => true })
  ctx.body = issued?.body
}

function refuse(reason: string): Error {
  return new errors.InvalidGrant(reason)
}

/** Only issuers count that the agent's own organization trusts. */
async function requireSaid(
  options: EnterpriseOptions,
  { organization }: Caller,
  assertion: string,
): Promise<{ issuer: Issuer; claims: JWTPayload }> {
  const { store, issuer: own } = options
  const name = issuerIn(assertion)
  const known =
    name === undefined || name === own ? [] : await available(findIssuers(store, name, 'enterprise'))
  let reason = 'issuer_unknown'
  for (const issuer of known.filter(one => one.organization === organization)) {
    const expected = { issuer, types: [ID_JAG_TYPE], audiences: [own], longestSeconds: LONGEST_SECONDS }
    const said = await available(readAssertion(assertion, { ...options, ...expected }))
    if (said.ok && (said.claims['tenant'] ?? null) === issuer.tenant) return { issuer, claims: said.claims }
    reason = said.ok ? 'assertion_tenant' : said.reason
  }
  throw refuse(reason)
}

/** What was said of one client is worth nothing in the hands of another. */
function requireClient(ctx: KoaContext, claims: JWTPayload): void {
  if (claims['client_id'] !== attemptOf(ctx).client) throw refuse('assertion_client')
  if (typeof claims.jti !== 'string' || claims.iat === undefined) throw refuse('assertion_claims')
  if (UNKNOWN_BOUNDS.some(name => claims[name] !== undefined)) throw refuse('assertion_bounds')
}

async function requireTarget(
  { findTarget }: EnterpriseOptions,
  ctx: KoaContext,
  caller: Caller,
  claims: JWTPayload,
): Promise<Target> {
  const [resource, ...others] = [claims['resource'] ?? []].flat()
  const { resource: asked } = ctx.oidc.params
  if (typeof resource !== 'string' || others.length > 0) throw refuse('assertion_resource')
  const isSame = typeof asked === 'string' && canonicalResource(asked) === canonicalResource(resource)
  if (asked !== undefined && !isSame) throw new errors.InvalidTarget(undefined, 'resource_other')
  const target = await available(findTarget(resource, caller.catalogueRevision))
  if (!target) throw new errors.InvalidTarget(undefined, 'resource_unknown')
  if (!target.active) throw new errors.InvalidTarget(undefined, 'server_frozen')
  return target
}

/** What was said and asked for, within the agent's ceiling and what the server needs. Nothing said is nothing given. */
function requireScopes(ctx: KoaContext, caller: Caller, claims: JWTPayload, target: Target): string[] {
  const listed = (text: unknown) => (typeof text === 'string' ? text.split(' ').filter(Boolean) : [])
  const said = intersectScopes(listed(claims['scope']), target.scopes)
  const asked = listed(ctx.oidc.params['scope'])
  const within = intersectScopes(said, caller.ceiling)
  const scopes = asked.length === 0 ? within : intersectScopes(asked, within)
  if (scopes.length === 0)
    throw new errors.InvalidScope('none of the scopes can be granted', undefined, 'assertion_scope')
  return scopes
}

/** Who is linked to the subject by signing in at that issuer; else, where that is allowed, whose address it names. */
async function requirePerson(
  options: EnterpriseOptions,
  issuer: Issuer,
  claims: JWTPayload,
): Promise<string> {
  const { db } = options.store
  const linked = await available(
    db
      .selectFrom('identityLink')
      .innerJoin('identityProvider', 'identityProvider.id', 'identityLink.providerId')
      .innerJoin('principal', 'principal.id', 'identityLink.personId')
      .select(['principal.id', 'identityProvider.settings'])
      .where('identityLink.organizationId', '=', issuer.organization)
      .where('identityLink.subject', '=', String(claims.sub))
      .where('identityProvider.kind', '=', 'oidc')
      .where('identityProvider.status', '=', 'active')
      .where('principal.status', '=', 'active')
      .execute(),
  )
  const isOf = (settings: string) => (JSON.parse(settings) as { issuer?: string }).issuer === issuer.issuer
  const own = linked.find(({ settings }) => isOf(settings))
  if (own) return own.id
  const { email, email_verified: isVerified = true } = claims
  // Some providers write it as text.
  if (!issuer.byEmail || typeof email !== 'string' || ![true, 'true'].includes(isVerified as string))
    throw refuse('person_unknown')
  const named = await available(
    db
      .selectFrom('principal')
      .select('id')
      .where('organizationId', '=', issuer.organization)
      .where('kind', '=', 'user')
      .where('status', '=', 'active')
      .where('externalId', '=', foldName(email))
      .executeTakeFirst(),
  )
  if (!named) throw refuse('person_unknown')
  return named.id
}

/** An assertion that is bound to a key is worth something only with a proof of that key. */
function requireKey({ cnf }: JWTPayload, key: ProvenKey): void {
  if (cnf === undefined) return
  const bound = (cnf as { jkt?: unknown }).jkt
  if (typeof bound !== 'string' || bound !== key.jkt) throw refuse('assertion_key')
}

async function requireGrant(
  { store, now }: EnterpriseOptions,
  issuer: Issuer,
  { caller, person, target, scopes }: { caller: Caller; person: string; target: Target; scopes: string[] },
): Promise<string> {
  if (caller.agentKind === 'autonomous')
    throw new errors.UnauthorizedClient('this agent acts for itself alone', 'agent_autonomous')
  const ctx: Context = { store, now, actor: { id: issuer.id, name: issuer.issuer, permissions: [] } }
  const { longestSeconds } = await available(readConsentPolicy(store.db, issuer.organization))
  const grant = await available(
    agreeByIssuer(ctx, {
      ...{ organization: issuer.organization, agent: caller.agent, person, server: target.server, scopes },
      expiresAt: isoTime(now() + Math.min(STANDS_MS, longestSeconds * 1000)),
    }),
  )
  if (grant === undefined) throw refuse('grant_stopped')
  return grant
}
