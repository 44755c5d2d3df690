import type { IncomingMessage, ServerResponse } from 'node:http'
import { intersectScopes } from '@valetkey/sdk/core'
import { errors, type Interaction, type Provider } from 'oidc-provider'
import type { Store } from '../store/index.ts'
import { OFFLINE } from './authorization-code.ts'
import type { Caller } from './caller.ts'
import { findRegistration } from './client-registration.ts'
import { describeRedirect } from './redirect-uri.ts'
import type { Target } from './target.ts'

/** What an agent asks of a person, while it waits for the answer. */
export interface AuthorizationRequest {
  readonly id: string
  readonly clientId: string
  /** What the client calls itself, and where it returns to; `host` is null for a program on the person's computer. */
  readonly client: {
    name: string
    uri: string | null
    isDynamic: boolean
    host: string | null
    /** As a Content-Security-Policy names it. */
    source: string
  }
  /** The agent behind it; undefined as long as nobody has taken the client on. */
  readonly caller: Caller | undefined
  readonly target: Target
  /** The permissions that it asks for, of those that the server's rules need. */
  readonly requested: readonly string[]
  /** Whether it asks to come back without the person. */
  readonly isOffline: boolean
  /** Milliseconds since 1970, where the client wants the person to sign in anew. */
  readonly signInAfter: number | null
  /** Where the browser goes on, once the request is answered. */
  readonly answered: string | null
}

/** The requests that wait for a person, each for the browser that it began in. */
export interface AuthorizationRequests {
  find(request: IncomingMessage, response: ServerResponse): Promise<AuthorizationRequest | undefined>
  /** Answers with a grant, and says where the browser goes on. */
  allow(
    request: IncomingMessage,
    response: ServerResponse,
    answer: { person: string; grant: string; scopes: readonly string[]; isOffline: boolean },
  ): Promise<string>
  /** Answers `access_denied`, and says where the browser goes on. */
  deny(request: IncomingMessage, response: ServerResponse): Promise<string>
}

const GRANT_SECONDS = 900

interface Options {
  store: Store
  provider: Provider
  findCaller(clientId: string): Promise<Caller | undefined>
  findTarget(resource: string): Promise<Target | undefined>
  now(): number
}

export function createAuthorizationRequests(options: Options): AuthorizationRequests {
  const { provider } = options
  const read = async (
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Interaction | undefined> => {
    try {
      return await provider.interactionDetails(request, response)
    } catch (error) {
      if (error instanceof errors.SessionNotFound) return undefined
      throw error
    }
  }
  return {
    async find(request, response) {
      const interaction = await read(request, response)
      return interaction && describe(interaction, options)
    },
    async allow(request, response, { person, grant: id, scopes, isOffline }) {
      const { params } = await provider.interactionDetails(request, response)
      const grant = new provider.Grant({ jti: id, accountId: person, clientId: params['client_id'] ?? '' })
      grant.addResourceScope(params['resource'] ?? '', scopes.join(' '))
      if (isOffline) grant.addOIDCScope(OFFLINE)
      const grantId = await grant.save(GRANT_SECONDS)
      const result = { login: { accountId: person, remember: false }, consent: { grantId } }
      return provider.interactionResult(request, response, result, { mergeWithLastSubmission: false })
    },
    deny: (request, response) =>
      provider.interactionResult(
        request,
        response,
        { error: 'access_denied', error_description: 'the person said no' },
        { mergeWithLastSubmission: false },
      ),
  }
}

/** What a page has to know of a request; undefined where its client or server has gone since it began. */
async function describe(
  interaction: Interaction,
  { store, findCaller, findTarget, now }: Options,
): Promise<AuthorizationRequest | undefined> {
  const { client_id = '', redirect_uri = '', resource = '', scope = '', prompt = '' } = interaction.params
  const registration = await findRegistration(store, client_id, now())
  const target = await findTarget(resource)
  if (!registration || !target) return undefined
  const { name, uri, kind } = registration
  const asked = scope.split(' ')
  return {
    id: interaction.uid,
    clientId: client_id,
    client: { name, uri, isDynamic: kind === 'dynamic', ...describeRedirect(redirect_uri) },
    caller: await findCaller(client_id),
    target,
    requested: intersectScopes(asked, target.scopes),
    isOffline: asked.includes(OFFLINE),
    signInAfter: prompt.split(' ').includes('login') ? interaction.iat * 1000 : null,
    answered: interaction.result ? interaction.returnTo : null,
  }
}
