import type { IncomingMessage, ServerResponse } from 'node:http'
import { intersectScopes } from '@valetkey/sdk/core'
import { errors, type Interaction, type Provider } from 'oidc-provider'
import { clientKeyOf } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import type { Caller } from '../client/caller.ts'
import { describeRedirect, type Returning } from '../client/redirect-uri.ts'
import type { Registration } from '../client/registration.ts'
import type { FindRegistration } from '../client/registrations.ts'
import type { Target } from '../token/target.ts'
import { OFFLINE, REVIEW } from './authorize.ts'
import { parseDetails, type RequestedDetails, resolveDetails } from './details.ts'

/** What an agent asks of a person, while it waits for the answer. */
export interface AuthorizationRequest {
  readonly id: string
  readonly clientId: string
  /** What the client calls itself, how it came to be known, and where it returns to. */
  readonly client: {
    name: string
    uri: string | null
    kind: Registration['kind']
    returns: Returning
    /**
     * Whether the answer reaches this client and no other: it proves who it is, or has a host of its own. For all others
     * a person looks each time (RFC 8252 §8.6).
     */
    canBeTold: boolean
  }
  /** The one person who may answer; null for whoever has come with it. */
  readonly onlyFor: string | null
  /** What the client wants to be read beside it, in its own words; empty where it says nothing. */
  readonly message: string
  /** The agent behind it; undefined as long as nobody has taken the client on. */
  readonly caller: Caller | undefined
  readonly target: Target
  /** The permissions that it asks for, of those that the server's rules (and what it says in detail) need. */
  readonly requested: readonly string[]
  /** What it asks for in detail: then nothing else is given. */
  readonly details: RequestedDetails | undefined
  /** Whether it asks to come back without the person. */
  readonly isOffline: boolean
  /** Whether the client wants the person to look again at what it may do. */
  readonly isReview: boolean
  /** Milliseconds since 1970, where the client wants the person to sign in anew. */
  readonly signInAfter: number | null
  /** Where the browser goes on, once the request is answered. */
  readonly answered: string | null
}

/** The requests that are asked in a browser, each in the one that it began in. */
export interface AuthorizationRequests {
  at(request: IncomingMessage, response: ServerResponse): OpenRequest
}

/** What a person has agreed to. */
export interface Yes {
  person: string
  grant: string
  scopes: readonly string[]
  isOffline: boolean
}

/** One request, while somebody is at it. */
export interface OpenRequest {
  /** Undefined where it has ended, or there never was one. */
  find(): Promise<AuthorizationRequest | undefined>
  /** The request with the agent that stands behind its client in an organization: a client of a document has one in each. */
  within(request: AuthorizationRequest, organization: string): Promise<AuthorizationRequest>
  /**
   * Keeps a yes where its client comes for it, in the transaction that writes the grant down. False where it is answered
   * already, was cancelled, or is over: then nothing may come of the yes.
   */
  keep(store: Store, answer: Yes): Promise<boolean>
  /** Says where the browser goes on after a yes that was kept. */
  allow(answer: Yes): Promise<string>
  /** Answers `access_denied`, and says where the browser goes on. */
  deny(by: { person: string; organization: string }): Promise<string>
}

const GRANT_SECONDS = 900

/** What oidc-provider keeps of an answer goes by the grant and the request: many requests come under one grant. */
function ofRequest(grant: string, request: string): string {
  return `${grant}.${request}`
}

/** The grant that a code was made under. */
export function grantOf(answer: string | undefined): string {
  return answer?.split('.', 1)[0] ?? ''
}

interface Options {
  store: Store
  provider: Provider
  findCaller(clientId: string): Promise<Caller | undefined>
  findRegistration: FindRegistration
  findTarget(resource: string): Promise<Target | undefined>
}

export function createAuthorizationRequests(options: Options): AuthorizationRequests {
  const { provider } = options
  return {
    at: (request, response) => ({
      async find() {
        const interaction = await readInteraction(provider, request, response)
        return interaction && describe(interaction, options)
      },
      within: (asked, organization) => withinOrganization(options, asked, organization),
      // The browser that asked takes it along.
      keep: async () => true,
      async allow({ person, grant: id, scopes, isOffline }) {
        const { params, uid } = await provider.interactionDetails(request, response)
        const jti = ofRequest(id, uid)
        const grant = new provider.Grant({ jti, accountId: person, clientId: params['client_id'] ?? '' })
        grant.addResourceScope(params['resource'] ?? '', scopes.join(' '))
        if (isOffline) grant.addOIDCScope(OFFLINE)
        const grantId = await grant.save(GRANT_SECONDS)
        const result = { login: { accountId: person, remember: false }, consent: { grantId } }
        return provider.interactionResult(request, response, result, { mergeWithLastSubmission: false })
      },
      deny: () =>
        provider.interactionResult(
          request,
          response,
          { error: 'access_denied', error_description: 'the person said no' },
          { mergeWithLastSubmission: false },
        ),
    }),
  }
}

/** The request with the agent that an organization has for a client that is known by a document. */
export async function withinOrganization(
  { findCaller }: Pick<Options, 'findCaller'>,
  request: AuthorizationRequest,
  organization: string,
): Promise<AuthorizationRequest> {
  if (request.client.kind !== 'metadata-document') return request
  return { ...request, caller: await findCaller(clientKeyOf(request.clientId, organization)) }
}

async function readInteraction(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Interaction | undefined> {
  try {
    return await provider.interactionDetails(request, response)
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return undefined
    throw error
  }
}

/** What a page has to know of a request; undefined where its client or server has gone since it began. */
async function describe(
  interaction: Interaction,
  { store, findRegistration, findCaller, findTarget }: Options,
): Promise<AuthorizationRequest | undefined> {
  const { client_id = '', redirect_uri = '', resource = '', scope = '', prompt = '' } = interaction.params
  const { authorization_details: text } = interaction.params
  const registration = await findRegistration(client_id)
  const target = await findTarget(resource)
  if (!registration || !target) return undefined
  const details = text === undefined ? undefined : await resolveDetails(store, target, parseDetails(text))
  const { name, uri, kind, isConfidential } = registration
  const returns = describeRedirect(redirect_uri)
  const canBeTold = isConfidential || returns.kind === 'web'
  const asked = scope.split(' ')
  const prompts = prompt.split(' ')
  return {
    id: interaction.uid,
    clientId: client_id,
    client: { name, uri, kind, returns, canBeTold },
    onlyFor: null,
    message: '',
    caller: await findCaller(client_id),
    target,
    requested: intersectScopes(asked, details?.permissions ?? target.scopes),
    details,
    isOffline: asked.includes(OFFLINE),
    isReview: prompts.includes(REVIEW),
    signInAfter: prompts.includes('login') ? interaction.iat * 1000 : null,
    answered: interaction.result ? interaction.returnTo : null,
  }
}
