import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { say } from '../say.ts'
import type { Decide, PeopleClient } from './for-people.ts'
import { type ToolCall, toSeen } from './visit.ts'

/** What a strict client does at the authority; what it calls, and when, is the same for all. */
interface Protocol {
  /** Leads to the page, and redeems what comes back. */
  authorize(scope: string): Promise<Tokens>
  refresh(token: string): Promise<Tokens>
}

interface Tokens {
  access_token: string
  refresh_token?: string | undefined
  scope?: string | undefined
}

interface Options {
  issuer: string
  url: string
  redirect: string
  decide: Decide
}

const ALL = 'invoices:read invoices:refund offline_access'

/** An agent on a library that checks everything: renews where its token is refused, asks where its scope is too small. */
export async function strictForPeople(
  library: 'oauth4webapi' | 'openid-client',
  options: Options,
): Promise<PeopleClient> {
  const protocol = await (library === 'oauth4webapi' ? byOauth4webapi : byOpenidClient)(options)
  let held = await protocol.authorize(ALL)
  const send = (call: ToolCall) => say(options.url, 'tools/call', { ...call }, { token: held.access_token })
  return {
    async call(call) {
      let answer = await send(call)
      if (answer.status === 401) {
        held = { ...held, ...(await protocol.refresh(held.refresh_token ?? '')) }
        answer = await send(call)
      }
      if (answer.status === 403) {
        held = await protocol.authorize(`${held.scope} ${challengeOf(answer.headers)} offline_access`)
        answer = await send(call)
      }
      if (answer.status !== 200) throw new Error(`${answer.status}`)
      return toSeen(answer.body.result)
    },
    close: async () => undefined,
  }
}

function challengeOf(headers: Headers): string {
  return /scope="([^"]*)"/.exec(headers.get('www-authenticate') ?? '')?.[1] ?? ''
}

async function byOauth4webapi({ issuer, url, redirect, decide }: Options): Promise<Protocol> {
  const insecure = { [oauth.allowInsecureRequests]: true }
  const found = await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure })
  const as = await oauth.processDiscoveryResponse(new URL(issuer), found)
  const metadata = { client_name: 'Strict', redirect_uris: [redirect], token_endpoint_auth_method: 'none' }
  const client: oauth.Client = await oauth.processDynamicClientRegistrationResponse(
    await oauth.dynamicClientRegistrationRequest(as, metadata, insecure),
  )
  const more = { additionalParameters: { resource: url }, ...insecure }
  return {
    async authorize(scope) {
      const verifier = oauth.generateRandomCodeVerifier()
      const state = oauth.generateRandomState()
      const page = new URL(as.authorization_endpoint ?? '')
      const query = {
        ...{ client_id: client.client_id, redirect_uri: redirect, response_type: 'code', scope, state },
        ...{
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
        },
        resource: url,
      }
      for (const [name, value] of Object.entries(query)) page.searchParams.set(name, value)
      const back = oauth.validateAuthResponse(as, client, await decide(page), state)
      const none = oauth.None()
      const answer = await oauth.authorizationCodeGrantRequest(
        as,
        client,
        none,
        back,
        redirect,
        verifier,
        more,
      )
      return oauth.processAuthorizationCodeResponse(as, client, answer)
    },
    async refresh(token) {
      const answer = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, more)
      return oauth.processRefreshTokenResponse(as, client, answer)
    },
  }
}

async function byOpenidClient({ issuer, url, redirect, decide }: Options): Promise<Protocol> {
  const config = await openid.dynamicClientRegistration(
    new URL(issuer),
    { client_name: 'Strict', redirect_uris: [redirect], token_endpoint_auth_method: 'none' },
    openid.None(),
    { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] },
  )
  return {
    async authorize(scope) {
      const verifier = openid.randomPKCECodeVerifier()
      const state = openid.randomState()
      const code_challenge = await openid.calculatePKCECodeChallenge(verifier)
      const page = openid.buildAuthorizationUrl(config, {
        ...{ redirect_uri: redirect, scope, state, resource: url },
        ...{ code_challenge, code_challenge_method: 'S256' },
      })
      const checks = { pkceCodeVerifier: verifier, expectedState: state }
      return openid.authorizationCodeGrant(config, await decide(page), checks, { resource: url })
    },
    refresh: token => openid.refreshTokenGrant(config, token, { resource: url }),
  }
}
