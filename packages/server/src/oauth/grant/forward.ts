import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type AccessTokenClaims,
  type Actor,
  forwardId,
  intersectScopes,
  isoTime,
  type JsonObject,
  newId,
} from '@valetkey/sdk/core'
import { callerOf, carriedBy, refuseCaller, type Snapshot } from '@valetkey/sdk/engine'
import { errors } from 'oidc-provider'
import { type Context, withIndex } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import { readForm } from '../body.ts'
import type { RefusalOptions } from '../refusals.ts'
import { authenticateServer, type ServerCaller, sendJson } from '../server-caller.ts'
import { type OwnToken, readOwnToken } from '../token/access-token.ts'
import { provenServerKey, tokenTypeOf } from '../token/proof-of-possession.ts'
import { readCatalogueRevision, type Target } from '../token/target.ts'
import { ACCESS_TOKEN, TOKEN_EXCHANGE } from '../token/token-types.ts'
import { available } from '../trouble.ts'
import { INTERACTIVE_TOKEN_SECONDS } from './acting-token.ts'
import type { GrantOptions } from './client-credentials.ts'
import { requireExchange, unknownKind } from './token-exchange.ts'

export interface ForwardOptions extends GrantOptions, RefusalOptions {
  store: Store
  /** How many steps a chain may have: delegations, and servers that hand a call on. */
  maxDepth: number
}

type Params = Readonly<Record<string, string | readonly string[]>>

/**
 * Token exchange (RFC 8693) for an MCP server that must call another one for those who call it: by its own key, for a token
 * whose audience it is. What it gets is for the next server alone, bound to a key of the server that asks, with no more than
 * the token had and for no longer; it names that token and ends with it. No refresh token.
 */
export function createForwardExchange(
  options: ForwardOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const by = await authenticateServer(options, request, response, 'invalid_client')
    if (!by) return
    const form = (await readForm(request)) ?? new URLSearchParams()
    const asked: Asked = { by, params: paramsOf(form), request, response }
    try {
      sendJson(response, 200, await exchange(options, asked))
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError)) throw error
      noteRefused(options, asked, error)
      sendJson(response, error.statusCode, {
        error: error.error,
        error_description: error.error_description,
      })
    }
  }
}

interface Asked {
  by: ServerCaller
  params: Params
  request: IncomingMessage
  response: ServerResponse
  /** Whose token was shown, once that is known: then a refusal is on its record. */
  organization?: string
}

async function exchange(options: ForwardOptions, asked: Asked): Promise<object> {
  const { by, params, request, response } = asked
  if (params['grant_type'] !== TOKEN_EXCHANGE)
    throw new errors.UnauthorizedClient('a server exchanges tokens, and does nothing else here', 'grant_type')
  if (requireExchange(params) !== ACCESS_TOKEN) throw unknownKind()
  const inbound = await requireInbound(options, by, String(params['subject_token']))
  asked.organization = inbound.claims.org
  const target = await requireTarget(options, params['resource'])
  const key = await provenServerKey(options, request, response)
  const { store, now } = options
  const ctx: Context = { store, now, actor: { id: by.id, name: by.server.name, permissions: [] } }
  const { claims, catalogue } = await available(
    withIndex(ctx, { organization: inbound.claims.org }, ({ snapshot, isStale }) => {
      if (isStale) throw new Error('the policy cannot be read as it is now')
      const claims = claimsFor(snapshot, options, { by, params, inbound, target, jkt: key.jkt })
      return { claims, catalogue: String(snapshot.catalogue.revision) }
    }),
  )
  await available(options.journal.record(issued(options, asked, claims)))
  return {
    access_token: await available(options.writeToken(claims, key, catalogue)),
    issued_token_type: ACCESS_TOKEN,
    token_type: tokenTypeOf(key),
    expires_in: claims.exp - claims.iat,
    scope: claims.scope,
  }
}

/** A token that somebody showed to this very server. */
async function requireInbound(
  { store, issuer, now }: ForwardOptions,
  { server }: ServerCaller,
  token: string,
): Promise<OwnToken> {
  const inbound = await available(readOwnToken(store, issuer, token, now()))
  if (!inbound) throw unacceptable('subject_token_unknown')
  if (inbound.claims.aud !== server.url) throw unacceptable('subject_token_foreign')
  return inbound
}

/** RFC 8693 §2.2.2. */
function unacceptable(reason: string): Error {
  return new errors.InvalidRequest('the subject_token is not acceptable', undefined, reason)
}

async function requireTarget({ store, findTarget }: ForwardOptions, resource: unknown): Promise<Target> {
  const refuse = (reason: string) => new errors.InvalidTarget(undefined, reason)
  if (resource === undefined) throw refuse('resource_missing')
  if (typeof resource !== 'string') throw refuse('resource_repeated')
  const target = await available(readCatalogueRevision(store).then(now => findTarget(resource, now)))
  if (!target) throw refuse('resource_unknown')
  return target
}

interface Wanted {
  by: ServerCaller
  params: Params
  inbound: OwnToken
  target: Target
  jkt: string | undefined
}

/** What the token will say, decided as enforcement points decide: good for who asks, and then for the next server. */
function claimsFor(snapshot: Snapshot, options: ForwardOptions, wanted: Wanted): AccessTokenClaims {
  const { by, inbound, target } = wanted
  const now = options.now()
  const before = callerOf(inbound.claims, inbound.key)
  const here = refuseCaller(snapshot, { server: by.server.id, caller: before, now })
  if (here) throw unacceptable(`subject_token_${here.reason} (${here.detail})`)
  requireWay(snapshot, options, wanted)
  const claims = describe(snapshot, options, wanted)
  const caller = callerOf(claims, inbound.key)
  const there = refuseCaller(snapshot, { server: target.server, caller, now })
  if (there) throw new errors.InvalidTarget(undefined, `forward_${there.reason} (${there.detail})`)
  const scopes = carriedBy(snapshot, { server: target.server, caller, now })
  if (scopes.length > 0) return { ...claims, scope: scopes.join(' ') }
  throw new errors.InvalidScope('none of the requested scopes can be granted', undefined, 'forward_scopes')
}

/** A rule lets the one server call the other, which is not on the way yet, and the way is not too long. */
function requireWay(
  { catalogue }: Snapshot,
  { maxDepth }: ForwardOptions,
  { by, inbound, target }: Wanted,
): void {
  const { fwd = [], dlg = [] } = inbound.claims
  const refuse = (description: string, reason: string) => new errors.UnauthorizedClient(description, reason)
  if (!catalogue.forwards.has(forwardId({ from: by.server.id, to: target.server })))
    throw refuse(`no rule lets ${by.server.name} call that server for others`, 'forward_rule')
  if ([by.server.id, ...fwd.map(({ srv }) => srv)].includes(target.server))
    throw refuse('the call has been at that server before', 'forward_cycle')
  if (dlg.length + fwd.length + 1 > maxDepth)
    throw refuse(`a chain has ${maxDepth} steps at most`, 'forward_depth')
  // They are tools of this server: what has the same name at another one was not meant.
  if (inbound.claims.authorization_details?.some(({ type }) => type === 'mcp_tool'))
    throw new errors.InvalidTarget(undefined, 'forward_tools')
}

function describe(
  snapshot: Snapshot,
  { issuer, now }: ForwardOptions,
  { by, params, inbound: { claims }, target, jkt }: Wanted,
): AccessTokenClaims {
  const iat = Math.floor(now() / 1000)
  const own = intersectScopes(claims.scope.split(' ').filter(Boolean), target.scopes)
  const { scope } = params
  const asked = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
  return {
    ...claims,
    iss: issuer,
    aud: target.audience,
    exp: Math.min(claims.exp, iat + INTERACTIVE_TOKEN_SECONDS),
    iat,
    jti: newId('accessToken', now()),
    scope: (asked.length === 0 ? own : intersectScopes(asked, own)).join(' '),
    cnf: jkt === undefined ? undefined : { jkt },
    act: actorOf(issuer, by, claims),
    rev: snapshot.revisionOf(claims.org),
    fwd: [...(claims.fwd ?? []), { srv: by.server.id, key: by.id, jti: claims.jti }],
  }
}

/** RFC 8693 §4.1: the server that calls is outermost; before it whoever acted at that server, the subject itself apart. */
function actorOf(issuer: string, { server }: ServerCaller, { act, sub, agent }: AccessTokenClaims): Actor {
  const before = act ?? (sub === agent ? undefined : { iss: issuer, sub: agent, sub_profile: 'ai_agent' })
  return { iss: issuer, sub: server.id, sub_profile: 'service', ...(before && { act: before }) }
}

function issued({ addressOf }: ForwardOptions, { by, request }: Asked, claims: AccessTokenClaims) {
  const detail: JsonObject = {
    ...{ client: claims.client_id, credential: claims.cred, audience: claims.aud, scope: claims.scope },
    ...{ server: by.server.id, serverKey: by.id, from: claims.fwd?.at(-1)?.jti ?? '' },
    ...(claims.gid !== undefined && { grant: claims.gid, person: claims.sub }),
    ...(claims.dlg && { delegations: [...claims.dlg] }),
    ...{ expiresAt: isoTime(claims.exp * 1000), address: addressOf(request) },
  }
  return { organization: claims.org, type: 'token.issued', actor: claims.agent, target: claims.jti, detail }
}

/** A nonce that is asked for is no refusal. */
function noteRefused(
  { refused, addressOf, log }: ForwardOptions,
  { by, params, request, organization }: Asked,
  error: errors.OIDCProviderError,
): void {
  if (error.error === 'use_dpop_nonce') return
  if (error.statusCode === 503) {
    log.error({ err: error.cause ?? error }, 'the authorization server cannot reach its database')
    return
  }
  const text = (name: string) => (typeof params[name] === 'string' ? params[name] : undefined)
  refused({
    ...{ organization, agent: undefined, client: by.server.id, credential: by.id },
    ...{ error: error.error, reason: error.error_detail ?? error.error_description ?? error.error },
    ...{ audience: text('resource'), scope: text('scope'), address: addressOf(request) },
  })
}

/** The fields of a form; one that comes several times is a list. */
function paramsOf(form: URLSearchParams): Params {
  return Object.fromEntries(
    [...new Set(form.keys())].map(name => {
      const [first = '', ...more] = form.getAll(name)
      return [name, more.length === 0 ? first : [first, ...more]]
    }),
  )
}
