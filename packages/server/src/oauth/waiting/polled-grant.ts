import { errors, type GrantHandler, type KoaContext } from 'oidc-provider'
import type { Store } from '../../store/index.ts'
import { attemptOf, provenCaller } from '../client/attempt.ts'
import { endGrant, issueActingToken } from '../grant/acting-token.ts'
import { holderOf } from '../grant/authorization-code.ts'
import { beginFamily } from '../grant/refresh-family.ts'
import type { RefreshOptions } from '../grant/refresh-token.ts'
import { provenKey } from '../token/proof-of-possession.ts'
import { canonicalResource } from '../token/target.ts'
import { available } from '../trouble.ts'
import {
  findBySecret,
  type Given,
  notePoll,
  useAnswer,
  type WaitingKind,
  type WaitingRequest,
} from './waiting-request.ts'

/**
 * The grant of a client that comes again until a person has answered (RFC 8628 §3.4, CIBA §10.1, poll mode). A yes gives
 * tokens as an authorization code does, once; whoever comes with it a second time ends what the first had begun.
 */
export function polledGrant(options: RefreshOptions, kind: WaitingKind, parameter: string): GrantHandler {
  return async ctx => {
    const secret = ctx.oidc.params[parameter]
    if (typeof secret !== 'string')
      throw new errors.InvalidRequest(`missing required parameter '${parameter}'`)
    const request = await available(findBySecret(options.store, secret))
    if (!request || request.kind !== kind || request.clientId !== attemptOf(ctx).client)
      throw new errors.InvalidGrant('request_unknown')
    const given = await requireAnswer(options, request)
    const { caller } = provenCaller(ctx)
    const replayed = async (): Promise<never> => {
      await endGrant(options, caller.agent, given.grant)
      throw new errors.InvalidGrant('request_replayed')
    }
    if (request.isUsed) return replayed()
    const issued = await issue(options, ctx, request, given)
    if (!issued) return replayed()
    ctx.body = issued
  }
}

/** What was given; anything else is for the client to hear. */
async function requireAnswer(
  { store, now }: RefreshOptions,
  { id, person, expiresAt, answer }: WaitingRequest,
): Promise<Given> {
  if (answer === 'denied') throw new errors.AccessDenied('the person said no')
  if (answer === 'cancelled') throw new errors.AccessDenied('the request was cancelled')
  if (expiresAt <= now()) throw new errors.ExpiredToken('nobody has answered in time')
  if (answer) return answer
  if (person !== null && !(await available(isActive(store, person))))
    throw new errors.AccessDenied('the person may not answer any more')
  throw (await available(notePoll(store, id, now())))
    ? new errors.AuthorizationPending()
    : new errors.SlowDown()
}

async function isActive({ db }: Store, person: string): Promise<boolean> {
  const row = await db
    .selectFrom('principal')
    .select('id')
    .where('id', '=', person)
    .where('status', '=', 'active')
    .executeTakeFirst()
  return row !== undefined
}

async function issue(
  options: RefreshOptions,
  ctx: KoaContext,
  { id, params }: WaitingRequest,
  { grant, scopes, isOffline }: Given,
): Promise<Record<string, unknown> | undefined> {
  const key = await provenKey(options, ctx)
  const audience = params['resource'] ?? ''
  const { resource, authorization_details: details } = ctx.oidc.params as Record<string, string | undefined>
  if (resource !== undefined && canonicalResource(resource) !== canonicalResource(audience))
    throw new errors.InvalidTarget(undefined, 'resource_other')
  const wanted = { key, grant, audience, scopes, details }
  let renewal: string | undefined
  const issued = await issueActingToken(options, ctx, wanted, {
    key: `request ${id}`,
    async use(tx, made) {
      if (!(await useAnswer(tx, id, options.now()))) return false
      if (isOffline) renewal = await beginFamily(options, tx, made, { scopes, jkt: holderOf(ctx, key) })
      return true
    },
  })
  return issued && { ...issued.body, ...(renewal !== undefined && { refresh_token: renewal }) }
}
