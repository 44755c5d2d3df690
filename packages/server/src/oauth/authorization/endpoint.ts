import { errors, interactionPolicy, type KoaContext, type Provider } from 'oidc-provider'
import { attemptOf } from '../client/attempt.ts'
import type { ActingOptions } from '../grant/acting-token.ts'
import { authorizationCodeGrant } from '../grant/authorization-code.ts'
import type { RefreshKey } from '../grant/refresh-family.ts'
import { refreshTokenGrant } from '../grant/refresh-token.ts'
import { referenceOf } from '../refusals.ts'
import type { Target } from '../token/target.ts'
import { CIBA, DEVICE_CODE } from '../token/token-types.ts'
import { available } from '../trouble.ts'
import type { WaitingOptions } from '../waiting/asking.ts'
import { polledGrant } from '../waiting/polled-grant.ts'
import { WAIT_SECONDS } from '../waiting/waiting-request.ts'
import { REVIEW, SESSION_COOKIE } from './authorize.ts'

/** What oidc-provider has to be told where people authorize agents. */
export interface PeopleOptions extends WaitingOptions {
  /** Path of the page on which a request is answered. */
  pageOf: (id: string) => string
  /** The page for a request that cannot be sent back to its client. */
  problemPage: (problem: {
    error: string
    description: string
    reference?: string
    acceptLanguage?: string
  }) => Promise<Response>
  /** Signs the cookies by which a browser finds its request. */
  cookieKey: string
  refreshKey: RefreshKey
  findTargetNow: (resource: string) => Promise<Target | undefined>
}

/** The grants by which agents come to act for people, where there are any. */
export function addPeopleGrants(
  provider: Provider,
  { people, ...rest }: ActingOptions & { people?: PeopleOptions | undefined },
): void {
  if (!people) return
  const options = { ...rest, refreshKey: people.refreshKey }
  provider.proxy = true
  const code = ['code', 'code_verifier', 'redirect_uri', 'resource', 'authorization_details']
  provider.registerGrantType('authorization_code', authorizationCodeGrant(options, provider), code, [])
  provider.registerGrantType(
    'refresh_token',
    refreshTokenGrant(options),
    ['refresh_token', 'scope', 'resource', 'authorization_details'],
    [],
  )
  const more = ['resource', 'authorization_details']
  if (people.deviceGrant)
    provider.registerGrantType(
      DEVICE_CODE,
      polledGrant(options, 'device', 'device_code'),
      ['device_code', ...more],
      [],
    )
  if (people.ciba)
    provider.registerGrantType(
      CIBA,
      polledGrant(options, 'backchannel', 'auth_req_id'),
      ['auth_req_id', ...more],
      [],
    )
}

/** Everybody is asked every time, on a page of ours; what comes of it lasts as long as the request. */
export function forPeople({ pageOf, cookieKey }: PeopleOptions) {
  const { Check, Prompt } = interactionPolicy
  const consent = new Check(
    'not_answered',
    'the person has not answered yet',
    ctx => !ctx.oidc.result?.consent?.grantId,
  )
  // Asked for, and looked at on the page: nothing that would be open afterwards.
  const review = new Prompt({ name: REVIEW, requestable: true })
  review.checks.clear()
  return {
    interactions: {
      url: (_ctx: KoaContext, { uid }: { uid: string }) => pageOf(uid),
      policy: [
        new Prompt({ name: 'login', requestable: true }),
        new Prompt({ name: 'consent', requestable: true }, consent),
        review,
      ],
    },
    cookies: {
      keys: [cookieKey],
      names: { session: SESSION_COOKIE, interaction: 'valetkey_request', resume: 'valetkey_resume' },
    },
    findAccount: (_ctx: KoaContext, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    expiresWithSession: () => false,
    ttl: {
      ...{ AuthorizationCode: 60, Interaction: 900, Session: 900, Grant: 900 },
      DeviceCode: WAIT_SECONDS.device,
      BackchannelAuthenticationRequest: WAIT_SECONDS.backchannel,
    },
  }
}

/** RFC 8707: one server a request, by a URL that is registered. */
export function resourceIndicators({ findTargetNow }: PeopleOptions) {
  const refuse = (reason: string) => new errors.InvalidTarget(undefined, reason)
  return {
    enabled: true,
    defaultResource: () => {
      throw refuse('resource_missing')
    },
    useGrantedResource: () => true,
    async getResourceServerInfo(ctx: KoaContext, resource: string) {
      if (Array.isArray(ctx.oidc.params['resource'])) throw refuse('resource_repeated')
      const target = await available(findTargetNow(resource))
      if (!target) throw refuse('resource_unknown')
      if (!target.active) throw refuse('server_frozen')
      return { audience: target.audience, scope: target.scopes.join(' '), accessTokenFormat: 'opaque' }
    },
  }
}

/** A program reads JSON; somebody whose browser has come here reads a page. */
export async function renderError(
  people: PeopleOptions | undefined,
  ctx: KoaContext,
  out: { error: string; error_description?: string },
): Promise<void> {
  if (!people || !['authorization', 'resume'].includes(ctx.oidc.route)) {
    ctx.body = out
    return
  }
  // Of a document no more is said: whoever named the address must not learn what lies there.
  const isDocument = attemptOf(ctx).refusal?.startsWith('document') ?? false
  const page = await people.problemPage({
    error: isDocument ? 'client_document' : out.error,
    description: isDocument ? '' : (out.error_description ?? ''),
    reference: referenceOf(ctx),
    acceptLanguage: ctx.get('accept-language'),
  })
  for (const [name, value] of page.headers) ctx.set(name, value)
  ctx.body = await page.text()
}
