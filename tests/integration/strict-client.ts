import * as oauth from 'oauth4webapi'
import { freeRedirect } from '../e2e/person.ts'
import { RESOURCE, startStage } from './oauth-stage.ts'

const INSECURE = { [oauth.allowInsecureRequests]: true }

/** A request of such a client, and what it keeps for later. */
interface Asked {
  as: oauth.AuthorizationServer
  client: oauth.Client
  redirect: string
  verifier: string
  url: URL
}

/** A client of an authority that checks everything, as the documentation of oauth4webapi shows it. */
export function createStrict(issuerUrl: string, resource: string) {
  const more = { additionalParameters: { resource }, ...INSECURE }

  async function discover() {
    const issuer = new URL(issuerUrl)
    const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...INSECURE })
    return oauth.processDiscoveryResponse(issuer, found)
  }

  async function register(as: oauth.AuthorizationServer, redirect: string, scope: string) {
    const metadata = { client_name: 'Strict', redirect_uris: [redirect], scope }
    const wish = { ...metadata, token_endpoint_auth_method: 'none' }
    const response = await oauth.dynamicClientRegistrationRequest(as, wish, INSECURE)
    return oauth.processDynamicClientRegistrationResponse(response)
  }

  return {
    /** One that has registered itself, or has been before, and what it asks a person for. */
    async begin(scope: string, registered?: { client_id: string; redirect: string }): Promise<Asked> {
      const redirect = registered?.redirect ?? (await freeRedirect())
      const as = await discover()
      const client: oauth.Client = registered ?? (await register(as, redirect, scope))
      const verifier = oauth.generateRandomCodeVerifier()
      const url = new URL(as.authorization_endpoint ?? '')
      const query = {
        ...{
          client_id: client.client_id,
          redirect_uri: redirect,
          response_type: 'code',
          scope,
          state: 'abc',
        },
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        ...{ code_challenge_method: 'S256', resource },
      }
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
      return { as, client, redirect, verifier, url }
    },
    async exchange({ as, client, redirect, verifier }: Asked, back: URL) {
      const params = oauth.validateAuthResponse(as, client, back, 'abc')
      const none = oauth.None()
      const response = await oauth.authorizationCodeGrantRequest(
        as,
        client,
        none,
        params,
        redirect,
        verifier,
        more,
      )
      return oauth.processAuthorizationCodeResponse(as, client, response)
    },
    async refresh({ as, client }: Asked, token: string) {
      const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, more)
      return oauth.processRefreshTokenResponse(as, client, response)
    },
    async revoke({ as, client }: Asked, token: string) {
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(as, client, oauth.None(), token, INSECURE),
      )
    },
    /** A token request as it is, and what it was answered. */
    async token(form: Record<string, string>) {
      const response = await fetch(`${issuerUrl}/token`, { method: 'POST', body: new URLSearchParams(form) })
      const body = (await response.json()) as Record<string, string>
      return { status: response.status, ...body } as Record<string, string> & { status: number }
    },
    /** What a code is redeemed by. */
    codeForm: (asked: Asked, back: URL) => ({
      grant_type: 'authorization_code',
      client_id: asked.client.client_id,
      code: back.searchParams.get('code') ?? '',
      redirect_uri: asked.redirect,
      code_verifier: asked.verifier,
      resource,
    }),
  }
}

/** An authority, the strict client of its billing server, and Maya with what she has agreed to so far. */
export async function openStrictStage() {
  const stage = await startStage()
  await stage.api.roles.create({ slug: 'reader', permissions: ['invoices:read'] })
  return {
    stage,
    strict: createStrict(stage.url, RESOURCE),
    maya: await stage.signedUp(),
    async grants() {
      const { items } = await stage.api.grants.list({ person: 'maya@northwind.test', limit: 200 })
      return items.sort((a, b) => (a.id < b.id ? -1 : 1))
    },
  }
}
