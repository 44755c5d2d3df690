import { intersectScopes } from '@valetkey/sdk/core'
import { record } from '../../audit/index.ts'
import type { Store } from '../../store/index.ts'
import { OFFLINE } from '../authorization/authorize.ts'
import { parseDetails, resolveDetails } from '../authorization/details.ts'
import { type AuthorizationRequest, type OpenRequest, withinOrganization } from '../authorization/requests.ts'
import type { Caller } from '../client/caller.ts'
import type { FindRegistration } from '../client/registrations.ts'
import type { Target } from '../token/target.ts'
import {
  answerWaiting,
  findByUserCode,
  findWaiting,
  type Given,
  listAsked,
  type WaitingRequest,
} from './waiting-request.ts'

/** Requests that wait for a person somewhere else than at the client's screen. */
export interface WaitingRequests {
  /** The request that waits for a code, by what somebody types. */
  findByCode(code: string): Promise<string | undefined>
  /** What waits for one person, the oldest first. */
  askedOf(person: string): Promise<Pick<WaitingRequest, 'id' | 'clientId' | 'message' | 'expiresAt'>[]>
  /** One of them, to be answered. */
  at(id: string): OpenRequest
}

interface Options {
  store: Store
  now(): number
  findCaller(clientId: string): Promise<Caller | undefined>
  findRegistration: FindRegistration
  findTarget(resource: string): Promise<Target | undefined>
  /** Path of the page that says that all is done. */
  answeredPath: string
}

export function createWaitingRequests(options: Options): WaitingRequests {
  const { store, now, answeredPath } = options
  return {
    findByCode: async code => (await findByUserCode(store, code, now()))?.id,
    askedOf: person => listAsked(store, person, now()),
    at: id => ({
      async find() {
        const waiting = await findWaiting(store, id)
        return waiting && waiting.expiresAt > now() ? describe(waiting, options) : undefined
      },
      within: (request, organization) => withinOrganization(options, request, organization),
      keep(within, { grant, scopes, isOffline }) {
        const given: Given = { grant, scopes, isOffline }
        return within.write(tx => answerWaiting(tx, id, given, now()))
      },
      allow: async () => answeredPath,
      async deny({ person: actor, organization }) {
        await store.write(async tx => {
          if (!(await answerWaiting(tx, id, 'denied', now()))) return
          const event = { organization, type: 'person.refused', actor, target: id }
          await record(tx, { ...event, detail: {} }, now())
        })
        return answeredPath
      },
    }),
  }
}

async function describe(
  { id, clientId, kind, params, message, askedFrom, person, answer }: WaitingRequest,
  { store, findRegistration, findCaller, findTarget, answeredPath }: Options,
): Promise<AuthorizationRequest | undefined> {
  const target = await findTarget(params['resource'] ?? '')
  const registration = await findRegistration(clientId)
  const caller = await findCaller(clientId)
  if (!target || (!registration && !caller)) return undefined
  const text = params['authorization_details']
  const details = text === undefined ? undefined : await resolveDetails(store, target, parseDetails(text))
  const asked = (params['scope'] ?? '').split(' ')
  return {
    id,
    clientId,
    client: {
      name: registration?.name ?? '',
      uri: registration?.uri ?? null,
      kind: registration?.kind ?? 'pre-registered',
      returns: { kind, name: askedFrom, source: undefined },
      // A person looks each time: nothing here shows that whoever asks is who they think.
      canBeTold: false,
    },
    caller,
    onlyFor: person,
    message,
    target,
    requested: intersectScopes(asked, details?.permissions ?? target.scopes),
    details,
    isOffline: asked.includes(OFFLINE),
    isReview: false,
    signInAfter: null,
    answered: answer === null ? null : answeredPath,
  }
}
