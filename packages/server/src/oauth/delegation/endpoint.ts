import type { IncomingMessage, ServerResponse } from 'node:http'
import { errors, type KoaContext, type Provider } from 'oidc-provider'
import { type Context, type DelegationWish, offerDelegation } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import { readForm, withForm } from '../body.ts'
import { provenCaller } from '../client/attempt.ts'
import { type ProofOptions, provenKey } from '../token/proof-of-possession.ts'
import { DELEGATE, DELEGATION_HANDLE } from '../token/token-types.ts'
import { delegationRefused } from './refused.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

const SINGLE = ['delegate', 'scope', 'when', 'expires_in', 'hops', 'purpose', 'grant_id', 'delegation_id']
const DEFAULT_SECONDS = 3600
const MOST_RESOURCES = 100

const fromDoor = new WeakSet<IncomingMessage>()

/**
 * `POST /delegations`: an agent that proves itself as at the token endpoint lets another one act, and gets a handle to
 * hand over. Its own token never leaves it. oidc-provider authenticates at its token endpoint, so the request goes there.
 */
export function createDelegationDoor(protocol: Handler): Handler {
  return async (request, response) => {
    const form = (await readForm(request)) ?? new URLSearchParams()
    form.set('grant_type', DELEGATE)
    const inner = withForm(request, '/token', form)
    fromDoor.add(inner)
    await protocol(inner, response)
  }
}

export function addDelegations(
  provider: Provider,
  options: ProofOptions & { store: Store; maxDepth: number },
): void {
  const handler = async (ctx: KoaContext) => {
    if (!fromDoor.has(ctx.req)) throw new errors.InvalidRequest('delegations are made at /delegations')
    const { caller } = provenCaller(ctx)
    await provenKey(options, ctx, '/delegations')
    const actor = { id: caller.agent, name: caller.agent, permissions: [] }
    const by: Context = { store: options.store, now: options.now, actor }
    const offer = await delegationRefused(offerDelegation(by, readWish(ctx), options))
    ctx.body = {
      delegation_id: offer.id,
      subject_token: offer.handle,
      subject_token_type: DELEGATION_HANDLE,
      expires_in: offer.handleExpiresInSeconds,
      delegate: offer.delegate,
      scope: offer.scopes.join(' '),
      delegation_expires_at: offer.expiresAt,
      hops: offer.hops,
    }
  }
  provider.registerGrantType(DELEGATE, handler, [...SINGLE, 'on'], ['on'])
}

function readWish(ctx: KoaContext): DelegationWish {
  const { caller, credential } = provenCaller(ctx)
  const { params } = ctx.oidc
  const text = (name: string) => (typeof params[name] === 'string' ? (params[name] as string) : undefined)
  const on = params['on']
  const resources = on === undefined ? [] : (Array.isArray(on) ? on : [on]).map(String)
  if (resources.length > MOST_RESOURCES)
    throw new errors.InvalidRequest(`a delegation names ${MOST_RESOURCES} resources at most`)
  const delegate = text('delegate')
  if (!delegate) throw new errors.InvalidRequest("missing required parameter 'delegate'")
  const purpose = text('purpose') ?? ''
  if (purpose.length > 500) throw new errors.InvalidRequest('the purpose is longer than 500 characters')
  return {
    ...{ organization: caller.organization, agent: caller.agent, credential: credential.id },
    ...{ delegate, grant: text('grant_id'), parent: text('delegation_id'), resources, purpose },
    scopes: text('scope')?.split(' ').filter(Boolean),
    condition: text('when') ?? null,
    expiresInSeconds: whole(text('expires_in'), 'expires_in', DEFAULT_SECONDS),
    hops: whole(text('hops'), 'hops', 0),
  }
}

function whole(text: string | undefined, name: string, otherwise: number): number {
  if (text === undefined) return otherwise
  if (!/^\d{1,9}$/.test(text)) throw new errors.InvalidRequest(`'${name}' must be a whole number`)
  return Number(text)
}
