import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AccessTokenClaims, intersectScopes } from '@valetkey/sdk/core'
import { callerOf, refuseCaller } from '@valetkey/sdk/engine'
import { errors, type KoaContext, type Provider } from 'oidc-provider'
import { type Context, withIndex } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import { answerOnceAuthenticated } from '../authenticated-endpoint.ts'
import { readForm } from '../body.ts'
import { methodOf, provenCaller } from '../client/attempt.ts'
import type { GrantLookup } from '../grant/acting-grant.ts'
import { findFamily, isCurrent, type RefreshKey, readRefreshToken } from '../grant/refresh-family.ts'
import type { RefusalOptions } from '../refusals.ts'
import { authenticateServer, sendJson } from '../server-caller.ts'
import { available } from '../trouble.ts'
import { readOwnToken } from './access-token.ts'
import type { TargetLookup } from './target.ts'

interface Options extends RefusalOptions {
  store: Store
  issuer: string
  findTarget: TargetLookup
  findGrant: GrantLookup
  people?: { refreshKey: RefreshKey } | undefined
  now: () => number
}

/** RFC 7662 §2.2: of a token that is not good, or not the caller's business, nothing more is said. */
const INACTIVE = { active: false }

/**
 * Says of a token whether it is good at this moment (RFC 7662): on the newest facts, and by the function that decides at the
 * enforcement points. A client may ask about its own tokens; one that proves nothing may not ask, or anybody could try tokens.
 */
export function addIntrospection(provider: Provider, options: Options): void {
  answerOnceAuthenticated(provider, 'introspection', options, ctx => available(answerClient(options, ctx)))
}

async function answerClient(options: Options, ctx: KoaContext): Promise<object> {
  const { caller, credential } = provenCaller(ctx)
  if (methodOf(ctx) === 'none') throw new errors.InvalidClientAuth('client_public')
  const token = String(ctx.oidc.params['token'])
  const { store, issuer, now } = options
  const access = await readOwnToken(store, issuer, token, now())
  const by = { org: caller.organization, agent: caller.agent, cred: credential.id }
  const claims = access?.claims ?? (await readRefresh(options, token, { client_id: caller.clientId, ...by }))
  if (claims?.client_id !== caller.clientId) return INACTIVE
  const target = await options.findTarget(claims.aud, caller.catalogueRevision)
  const answer = target ? await describe(options, target.server, claims, access?.key) : INACTIVE
  return access ? asShown(answer, access.claims) : answer
}

/**
 * The same for an MCP server that has no guard and asks for itself: by a key of its own (`valetkey server key create`), about
 * tokens that are for it.
 */
export function createServerIntrospection(
  options: Options,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { store, issuer, now } = options
  return async (request, response) => {
    const known = await authenticateServer(options, request, response, 'invalid_token')
    if (!known) return
    const send = (status: number, body: object) => sendJson(response, status, body)
    const [token, ...more] = (await readForm(request))?.getAll('token') ?? []
    if (!token || more.length > 0)
      return send(400, { error: 'invalid_request', error_description: "send one parameter 'token'" })
    const own = await readOwnToken(store, issuer, token, now())
    if (own?.claims.aud !== known.server.url) return send(200, INACTIVE)
    send(200, asShown(await describe(options, known.server.id, own.claims, own.key), own.claims))
  }
}

/** What a refresh token of this client stands for, if its turn is now. */
async function readRefresh(
  { people, store, issuer, findGrant, now }: Options,
  token: string,
  by: Pick<AccessTokenClaims, 'client_id' | 'org' | 'agent' | 'cred'>,
): Promise<AccessTokenClaims | undefined> {
  const presented = people && readRefreshToken(people.refreshKey, token)
  const family = presented && (await findFamily(store, presented.family))
  if (!family || family.clientId !== by.client_id || !isCurrent(family, presented.counter, now()))
    return undefined
  const grant = await findGrant(family.grantId)
  if (!grant) return undefined
  const end = Math.min(Number(family.expiresAt), grant.expiresAt ?? Number.POSITIVE_INFINITY)
  return {
    ...{ iss: issuer, sub: grant.person, aud: family.audience, ...by, gid: grant.id, jti: family.id },
    scope: (JSON.parse(family.scopes) as string[]).join(' '),
    ...(grant.details && { authorization_details: [...grant.details] }),
    ...{ iat: Math.floor(Date.parse(family.createdAt) / 1000), exp: Math.floor(end / 1000) },
  }
}

/** Whether an enforcement point of the server would hear this caller now, and what the caller could still ask of it. */
async function describe(
  options: Options,
  server: string,
  claims: AccessTokenClaims,
  key?: string,
): Promise<object> {
  const { store, now } = options
  const caller = callerOf(claims, key)
  const ctx: Context = { store, now, actor: { id: claims.agent, name: claims.agent, permissions: [] } }
  return withIndex(ctx, { organization: claims.org }, ({ snapshot, view, isStale }) => {
    if (isStale || refuseCaller(snapshot, { server, caller, now: now() })) return INACTIVE
    const grant = view.grants.get(claims.gid ?? '')?.fact
    const scopes = grant ? intersectScopes(caller.scopes, grant.scopes) : caller.scopes
    return { active: true, ...claims, scope: scopes.join(' ') }
  })
}

/** How an active access token has to be shown (RFC 9449 §6.2). */
function asShown(answer: object, { cnf }: AccessTokenClaims): object {
  return answer === INACTIVE ? answer : { ...answer, token_type: cnf ? 'DPoP' : 'Bearer' }
}
