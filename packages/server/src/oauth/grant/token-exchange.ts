import { errors, type KoaContext, type Provider } from 'oidc-provider'
import { type ExchangeOptions, exchangeDelegation } from '../delegation/exchange.ts'
import { ACCESS_TOKEN, DELEGATION, DELEGATION_HANDLE, TOKEN_EXCHANGE } from '../token/token-types.ts'

const PARAMETERS = [
  ...['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type'],
  ...['resource', 'audience', 'scope'],
]

/**
 * Token exchange for agents, delegation only: what is exchanged is a link, and who acts is whoever proves to be its
 * delegate. Nobody gets to act as somebody else by holding that one's token.
 */
export function addTokenExchange(provider: Provider, options: ExchangeOptions): void {
  const handler = async (ctx: KoaContext) => {
    const kind = requireExchange(ctx.oidc.params)
    if (kind === ACCESS_TOKEN)
      throw refuse(
        'an access token is exchanged by the server that it is for; agents hand on delegations',
        'subject_token_impersonation',
      )
    if (kind !== DELEGATION_HANDLE && kind !== DELEGATION) throw unknownKind()
    await exchangeDelegation(options, ctx)
  }
  provider.registerGrantType(TOKEN_EXCHANGE, handler, PARAMETERS, ['resource', 'audience'])
}

const refuse = (description: string, reason: string) =>
  new errors.InvalidRequest(description, undefined, reason)

export function unknownKind(): Error {
  return refuse('this subject_token_type is not exchanged here', 'subject_token_type_unknown')
}

/** RFC 8693 §2.1, and what of it nobody may: actors that are somebody else, other tokens. Gives the kind of the subject token. */
export function requireExchange(params: Readonly<Record<string, unknown>>): string {
  for (const name of ['subject_token', 'subject_token_type'])
    if (typeof params[name] !== 'string')
      throw new errors.InvalidRequest(`missing required parameter '${name}'`)
  if (params['actor_token'] !== undefined || params['actor_token_type'] !== undefined)
    throw refuse('the actor is the client that authenticates: send no actor_token', 'actor_foreign')
  const wanted = params['requested_token_type']
  if (wanted !== undefined && wanted !== ACCESS_TOKEN)
    throw refuse('only access tokens are issued', 'token_type_unknown')
  if (params['audience'] !== undefined)
    throw new errors.InvalidTarget('name the server by its URL, as resource', 'audience_given')
  return String(params['subject_token_type'])
}
