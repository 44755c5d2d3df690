import { errors, type KoaContext, type Provider } from 'oidc-provider'
import { clientCredentialsGrant } from '../grant/client-credentials.ts'
import { JWT_BEARER } from '../token/token-types.ts'
import { isAboutPerson } from './assertion.ts'
import { type EnterpriseOptions, redeemIdJag } from './enterprise.ts'
import { workloadOf } from './workload-request.ts'

/**
 * The grant by the word of somebody else (RFC 7523 §2.1). A workload was let in by it as an agent, and acts for itself alone; a
 * client that has proved itself brings what an identity provider says of a person.
 */
export function addJwtBearer(provider: Provider, options: EnterpriseOptions): void {
  const asItself = clientCredentialsGrant(options)
  const handler = async (ctx: KoaContext) => {
    if (workloadOf(ctx.req)) return asItself(ctx)
    const { assertion } = ctx.oidc.params
    if (typeof assertion !== 'string')
      throw new errors.InvalidRequest("missing required parameter 'assertion'")
    if (!isAboutPerson(assertion)) throw new errors.InvalidGrant('assertion_type')
    return redeemIdJag(options, ctx)
  }
  provider.registerGrantType(JWT_BEARER, handler, ['assertion', 'scope', 'resource'], [])
}
