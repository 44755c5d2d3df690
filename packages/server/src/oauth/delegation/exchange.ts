import { type AccessTokenClaims, type Actor, intersectScopes, isoTime, newId } from '@valetkey/sdk/core'
import { errors, type KoaContext } from 'oidc-provider'
import { type Context, redeemDelegation } from '../../directory/index.ts'
import { hashSecret, type Store } from '../../store/index.ts'
import { provenCaller } from '../client/attempt.ts'
import type { Caller } from '../client/caller.ts'
import { INTERACTIVE_TOKEN_SECONDS } from '../grant/acting-token.ts'
import { BACKGROUND_TOKEN_SECONDS, type GrantOptions } from '../grant/client-credentials.ts'
import { provenKey, tokenTypeOf } from '../token/proof-of-possession.ts'
import type { Target } from '../token/target.ts'
import { ACCESS_TOKEN, DELEGATION_HANDLE } from '../token/token-types.ts'
import { available } from '../trouble.ts'
import type { Chain, ChainLookup } from './chain.ts'
import { delegationRefused } from './refused.ts'

export interface ExchangeOptions extends GrantOptions {
  store: Store
  findChain: ChainLookup
}

/**
 * A delegate gets a token for one server: by the handle that it was given, which is good once, and from then on by the
 * delegation's id, for as long as all that it rests on is there. No refresh token; never more than each of its members.
 */
export async function exchangeDelegation(options: ExchangeOptions, ctx: KoaContext): Promise<void> {
  const { caller } = provenCaller(ctx)
  const subject = await requireSubject(options, ctx)
  const chain = await requireChain(options, subject, caller)
  const target = await requireTarget(options, ctx, caller, chain)
  const scopes = narrow(ctx, chain, caller, target)
  const key = await provenKey(options, ctx)
  const revision = subject.handle ? await takeUp(options, subject.handle, caller) : caller.revision
  const claims = describe(options, ctx, { chain, target, scopes, revision })
  await available(options.journal.record(issued(options, ctx, claims, chain)))
  ctx.body = {
    access_token: await available(options.writeToken(claims, key, caller.catalogueRevision)),
    issued_token_type: ACCESS_TOKEN,
    token_type: tokenTypeOf(key),
    expires_in: claims.exp - claims.iat,
    scope: claims.scope,
    delegation_id: claims.dlg?.at(-1),
  }
}

interface Subject {
  link: string
  handle: string | undefined
}

/** Which link the subject token stands for; what is no handle of ours, or was used, is unknown. */
async function requireSubject({ store }: ExchangeOptions, ctx: KoaContext): Promise<Subject> {
  const { subject_token, subject_token_type } = ctx.oidc.params
  const token = String(subject_token)
  if (subject_token_type !== DELEGATION_HANDLE) return { link: token, handle: undefined }
  const offer = await available(
    store.db
      .selectFrom('delegation')
      .select('id')
      .where('handleHash', '=', hashSecret(token))
      .where('activatedAt', 'is', null)
      .executeTakeFirst(),
  )
  if (!offer) throw unacceptable('handle_unknown')
  return { link: offer.id, handle: token }
}

/** RFC 8693 §2.2.2: a subject token that is not good, or not the caller's. */
function unacceptable(reason: string): Error {
  return new errors.InvalidRequest('the subject_token is not acceptable', undefined, reason)
}

async function requireChain(
  { findChain }: ExchangeOptions,
  { link, handle }: Subject,
  caller: Caller,
): Promise<Chain> {
  const chain = await available(findChain(link, caller, handle !== undefined))
  if (!chain) throw unacceptable('delegation_unknown')
  if (chain.delegate !== caller.agent || chain.organization !== caller.organization)
    throw unacceptable('delegation_foreign')
  if (chain.broken !== undefined) throw unacceptable(chain.broken)
  // Some agents act only for people, some only for themselves.
  const refused = chain.grant ? 'autonomous' : 'user_authorized'
  if (caller.agentKind === refused)
    throw new errors.UnauthorizedClient('this grant is not allowed for this client', `agent_${refused}`)
  return chain
}

async function requireTarget(
  { findTarget }: ExchangeOptions,
  ctx: KoaContext,
  caller: Caller,
  { grant }: Chain,
): Promise<Target> {
  const { resource } = ctx.oidc.params
  const refuse = (reason: string) => new errors.InvalidTarget(undefined, reason)
  if (resource === undefined) throw refuse('resource_missing')
  if (typeof resource !== 'string') throw refuse('resource_repeated')
  const target = await available(findTarget(resource, caller.catalogueRevision))
  if (!target) throw refuse('resource_unknown')
  if (!target.active) throw refuse('server_frozen')
  if (grant && grant.server !== null && grant.server !== target.server) throw refuse('grant_other_server')
  return target
}

/** What the chain, the delegate itself and the server let through; asking for too much is no error, nothing left is. */
function narrow(ctx: KoaContext, chain: Chain, caller: Caller, target: Target): string[] {
  const allowed = intersectScopes(intersectScopes(chain.scopes, caller.ceiling), target.scopes)
  const { scope } = ctx.oidc.params
  const wanted = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
  const granted = wanted.length === 0 ? allowed : intersectScopes(wanted, allowed)
  if (granted.length > 0) return granted
  const reason = allowed.length === 0 ? 'delegation_scopes' : 'scope_foreign'
  throw new errors.InvalidScope('none of the requested scopes can be granted', undefined, reason)
}

/** Only now, so that a request that is wrong in another way does not use the handle up. */
async function takeUp({ store, now }: ExchangeOptions, handle: string, { agent }: Caller): Promise<number> {
  const ctx: Context = { store, now, actor: { id: agent, name: agent, permissions: [] } }
  const { revision } = await delegationRefused(redeemDelegation(ctx, { handle, agent }))
  return revision
}

function describe(
  { issuer, now }: ExchangeOptions,
  ctx: KoaContext,
  issue: { chain: Chain; target: Target; scopes: string[]; revision: number },
): AccessTokenClaims {
  const { caller, credential } = provenCaller(ctx)
  const { chain, target, scopes, revision } = issue
  const iat = Math.floor(now() / 1000)
  const life = chain.grant ? INTERACTIVE_TOKEN_SECONDS : BACKGROUND_TOKEN_SECONDS
  const root = chain.links[0]?.delegator ?? ''
  return {
    iss: issuer,
    sub: chain.grant?.person ?? root,
    aud: target.audience,
    exp: Math.min(iat + life, Math.floor(chain.expiresAt / 1000)),
    iat,
    jti: newId('accessToken', now()),
    client_id: caller.clientId,
    scope: scopes.join(' '),
    org: caller.organization,
    agent: caller.agent,
    cred: credential.id,
    ...(chain.grant && { gid: chain.grant.id }),
    dlg: chain.links.map(({ id }) => id),
    act: actors(issuer, chain),
    rev: revision,
  }
}

/** RFC 8693 §4.1: who acts outermost, who acted before within; the subject itself is no actor. */
function actors(issuer: string, { links, delegate, grant }: Chain): Actor {
  const before = links.map(({ delegator }) => delegator)
  const chain = [...(grant ? before : before.slice(1)), delegate]
  const [first = delegate, ...later] = chain
  const actor = (sub: string) => ({ iss: issuer, sub, sub_profile: 'ai_agent' })
  return later.reduce<Actor>((act, sub) => ({ ...actor(sub), act }), actor(first))
}

function issued(
  { addressOf }: ExchangeOptions,
  ctx: KoaContext,
  claims: AccessTokenClaims,
  { links, grant }: Chain,
) {
  const detail = {
    ...{ client: claims.client_id, credential: claims.cred, audience: claims.aud, scope: claims.scope },
    ...(grant && { grant: grant.id, person: grant.person }),
    ...{ delegations: links.map(({ id }) => id), delegators: links.map(({ delegator }) => delegator) },
    ...{ expiresAt: isoTime(claims.exp * 1000), address: addressOf(ctx.req) },
  }
  return { organization: claims.org, type: 'token.issued', actor: claims.agent, target: claims.jti, detail }
}
