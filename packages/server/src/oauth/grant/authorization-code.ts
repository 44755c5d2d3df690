import { createHash, timingSafeEqual } from 'node:crypto'
import { errors, type GrantHandler, type KoaContext, type Provider } from 'oidc-provider'
import { OFFLINE } from '../authorization/authorize.ts'
import { grantOf } from '../authorization/requests.ts'
import { methodOf, provenCaller } from '../client/attempt.ts'
import { consumeCode } from '../oauth-state.ts'
import { type ProvenKey, provenKey } from '../token/proof-of-possession.ts'
import { canonicalResource } from '../token/target.ts'
import { available } from '../trouble.ts'
import { type ActingOptions, endGrant, issueActingToken } from './acting-token.ts'
import { beginFamily, type RefreshKey } from './refresh-family.ts'

/** What oidc-provider keeps of a code. */
interface Code {
  clientId?: string
  grantId?: string
  redirectUri?: string
  codeChallenge?: string
  /** Thumbprint of the key that it is bound to (RFC 9449 §10). */
  dpopJkt?: string
  resource?: string
  scope?: string
  consumed?: unknown
}

/**
 * The authorization code grant (RFC 6749 §4.1.3, PKCE by RFC 7636): a code is good once, for the client, the address and
 * the verifier that it was made for. One that comes a second time ends what the first had begun.
 */
export function authorizationCodeGrant(
  options: ActingOptions & { refreshKey: RefreshKey },
  provider: Provider,
): GrantHandler {
  return async ctx => {
    const { caller } = provenCaller(ctx)
    const params = ctx.oidc.params as Record<string, string | undefined>
    const refuse = (reason: string) => new errors.InvalidGrant(reason)
    if (!params['code']) throw new errors.InvalidRequest("missing required parameter 'code'")
    const code = (await available(provider.AuthorizationCode.find(params['code']))) as Code | undefined
    if (!code || code.clientId !== caller.clientId) throw refuse('code_unknown')
    if (code.consumed) {
      await endGrant(options, caller.agent, grantOf(code.grantId))
      throw refuse('code_replayed')
    }
    if (params['redirect_uri'] !== code.redirectUri) throw refuse('redirect_uri')
    requireVerifier(params['code_verifier'], code.codeChallenge)
    const key = await provenKey(options, ctx)
    if (code.dpopJkt !== undefined && code.dpopJkt !== key.jkt) throw refuse('code_key')
    const audience = code.resource ?? ''
    const { resource } = params
    if (resource !== undefined && canonicalResource(resource) !== canonicalResource(audience))
      throw new errors.InvalidTarget(undefined, 'resource_other')
    const scopes = (code.scope ?? '').split(' ').filter(scope => scope !== '' && scope !== OFFLINE)
    const isOffline = code.scope?.split(' ').includes(OFFLINE)
    const given = params['code']
    let renewal: string | undefined
    const details = params['authorization_details']
    const wanted = { key, grant: grantOf(code.grantId), audience, scopes, details }
    const issued = await issueActingToken(options, ctx, wanted, {
      key: `code ${given}`,
      async use(tx, issue) {
        if (!(await consumeCode(tx, given, options.now()))) return false
        if (isOffline) renewal = await beginFamily(options, tx, issue, { scopes, jkt: holderOf(ctx, key) })
        return true
      },
    })
    if (!issued) {
      await endGrant(options, caller.agent, grantOf(code.grantId))
      throw refuse('code_replayed')
    }
    ctx.body = { ...issued.body, ...(renewal !== undefined && { refresh_token: renewal }) }
  }
}

/** A client that proves itself by nothing else renews with this key alone (RFC 9449 §5). */
export function holderOf(ctx: KoaContext, { jkt }: ProvenKey): string | null {
  return methodOf(ctx) === 'none' ? (jkt ?? null) : null
}

/** RFC 7636 §4.6; S256 is the only method that a code is made with. */
function requireVerifier(verifier: string | undefined, challenge: string | undefined): void {
  const refuse = (reason: string) => new errors.InvalidGrant(reason)
  if (verifier === undefined || challenge === undefined) throw refuse('verifier_missing')
  if (!/^[A-Za-z0-9\-._~]{43,128}$/.test(verifier)) throw refuse('verifier_form')
  const given = Buffer.from(createHash('sha256').update(verifier).digest('base64url'))
  const wanted = Buffer.from(challenge)
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw refuse('verifier_wrong')
}
