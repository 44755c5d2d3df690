import type { Context } from '../../directory/index.ts'
import type {
  AuthorizationRequest,
  AuthorizationRequests,
  OpenRequest,
  WaitingRequests,
} from '../../oauth/index.ts'
import type { Desk } from '../pages/consent.ts'
import type { Words } from '../pages/languages.ts'
import type { Ask } from '../sign-in/parts.ts'
import type { SignedIn, Stage } from '../stage.ts'

/** What requests for consent rest on. */
export interface ConsentOptions {
  requests: AuthorizationRequests
  waiting: WaitingRequests
  /** Whether codes of other devices may be typed here. */
  takesCodes: boolean
  /** Whether people may take on agents that nobody knows, where their organization says nothing else. */
  mayAdopt: boolean
}

/** One request for consent, and the browser in which it is answered. */
export interface Scene extends Pick<ConsentOptions, 'mayAdopt'> {
  c: Ask
  open: OpenRequest
  stage: Stage
  words: Words
  request: AuthorizationRequest
  path: string
}

/** The same, with the person who is to answer. */
export interface Visit extends Scene, SignedIn {
  /** In whose name things are done. */
  ctx: Context
}

export function visitOf(scene: Scene, who: SignedIn): Visit {
  const { id, email } = who.person
  const { store, now } = scene.stage
  return { ...scene, ...who, ctx: { store, now, actor: { id, name: email, permissions: [] } } }
}

/** Where somebody is to sign in who is to answer a request. */
export function placeOf({ words, request, path }: Scene) {
  const { id, caller, client } = request
  const agent = nameOf(request, words)
  const isFresh = request.signInAfter !== null
  const leadsTo = client.returns.source
  return { words, path, purpose: id, organization: caller?.organization, agent, leadsTo, isFresh }
}

/** What a client calls itself, or where it is where it has no name. */
export function nameOf({ client }: AuthorizationRequest, words: Words): string {
  if (client.name !== '') return client.name
  return client.returns.kind === 'web' ? client.returns.name : words.consent.thisDevice
}

/** What the forms of a visit are bound to: the request, and the session. */
export function purposeOf({ request, session }: Visit): string {
  return `consent:${request.id}:${session.id}`
}

export function deskOf(visit: Visit): Desk {
  const { words, stage, request, person, path } = visit
  const formToken = stage.sealForm(purposeOf(visit))
  return { words, action: path, formToken, person, leadsTo: request.client.returns.source }
}
