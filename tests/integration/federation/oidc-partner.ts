import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type KoaContext, Provider } from 'oidc-provider'

export type OidcPartner = Awaited<ReturnType<typeof openOidcPartner>>

export const CLIENT = 'valetkey'
export const SECRET = 'a-secret-of-256-bits-that-nobody-guesses'

/** A second OpenID provider, on loopback, at which whoever the test says is signed in without being asked. */
export async function openOidcPartner() {
  /** Claims by subject. */
  const people = new Map<string, Record<string, unknown>>()
  let signedIn = ''
  const clients: Record<string, unknown>[] = []
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let provider = open()

  /** Its clients are fixed at its start; its keys are the same at each. */
  function open(): Provider {
    const made: Provider = new Provider(issuer, {
      clients,
      clientDefaults: { id_token_signed_response_alg: 'RS256' },
      claims: {
        openid: ['sub', 'amr'],
        email: ['email', 'email_verified'],
        profile: ['name', 'preferred_username'],
        groups: ['groups'],
      },
      scopes: ['openid', 'email', 'profile', 'groups'],
      conformIdTokenClaims: false,
      cookies: { keys: ['partner'] },
      ttl: { AccessToken: 60, Grant: 60, IdToken: 60, Interaction: 60, Session: 600 },
      features: {
        devInteractions: { enabled: false },
        backchannelLogout: { enabled: true },
        rpInitiatedLogout: { enabled: true },
      },
      pkce: { required: () => true },
      // It would not call anybody on loopback.
      fetch: (url: URL, { dispatcher: _, ...options }: RequestInit & { dispatcher?: object }) =>
        fetch(url, options),
      interactions: { url: (_: KoaContext, { uid }: { uid: string }) => `/sign-in/${uid}` },
      findAccount: (_: KoaContext, accountId: string) => ({
        accountId,
        claims: () => ({ sub: accountId, ...people.get(accountId) }),
      }),
      async loadExistingGrant(ctx: KoaContext & { oidc: { session: { accountId: string } } }) {
        const grant = new made.Grant({
          jti: `grant-${Math.random()}`,
          accountId: ctx.oidc.session.accountId,
          clientId: ctx.oidc.client?.clientId ?? '',
        })
        grant.addOIDCScope('openid email profile groups')
        await grant.save(60)
        return grant
      },
    })
    made.silent = true
    return made
  }

  async function handle(
    request: Parameters<ReturnType<Provider['callback']>>[0],
    response: Parameters<ReturnType<Provider['callback']>>[1],
  ) {
    if (!request.url?.startsWith('/sign-in/')) return provider.callback()(request, response)
    const { amr } = people.get(signedIn) ?? {}
    const result = { login: { accountId: signedIn, remember: true, amr } }
    const location = await provider.interactionResult(request, response, result, {
      mergeWithLastSubmission: false,
    })
    response.writeHead(303, { location }).end()
  }

  return {
    issuer,
    /** Makes somebody known, or known otherwise. */
    know(subject: string, claims: Record<string, unknown>) {
      people.set(subject, claims)
      signedIn = subject
    },
    signInAs(subject: string) {
      signedIn = subject
    },
    addClient(options: { id?: string; callback: string; backchannelLogout?: string; returnTo: string }) {
      const { id = CLIENT, callback, backchannelLogout, returnTo } = options
      clients.push({
        client_id: id,
        client_secret: SECRET,
        redirect_uris: [callback],
        post_logout_redirect_uris: [returnTo],
        ...(backchannelLogout && {
          backchannel_logout_uri: backchannelLogout,
          backchannel_logout_session_required: true,
        }),
      })
      provider = open()
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
