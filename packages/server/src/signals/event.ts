import type { JsonObject } from '@valetkey/sdk/core'
import type { EventName, Happening } from './happening.ts'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type/'

export const VERIFICATION = `${SSF}verification`
export const STREAM_UPDATED = `${SSF}stream-updated`

/** The full name of an event (CAEP 1.0). */
export function eventUri(name: EventName): string {
  return CAEP + name
}

/** The last word of a CAEP event's name; undefined for any other. */
export function caepName(uri: string): string | undefined {
  return uri.startsWith(CAEP) ? uri.slice(CAEP.length) : undefined
}

/** One event as it stands in a Security Event Token: its subject and its payload. */
export interface SignalEvent {
  type: string
  subject: JsonObject
  payload: JsonObject
  /** The same for all events that one change caused. */
  txn?: string
}

/** When and by whom a change was made. */
export interface Cause {
  at: number
  actor: string
  txn: string
}

/** Says a happening in the words of CAEP, with people named as the receiver knows them. */
export function toEvent(
  { event, whose, reason, payload }: Happening,
  { at, actor, txn }: Cause,
  { issuer, subjects }: { issuer: string; subjects: 'iss_sub' | 'email' },
): SignalEvent {
  const named = (sub: string) => ({ format: 'iss_sub', iss: issuer, sub })
  const { token, person, agent, session, organization } = whose
  const complex: JsonObject = {
    format: 'complex',
    ...(person && {
      user: subjects === 'email' ? { format: 'email', email: person.email } : named(person.id),
    }),
    ...(agent !== undefined && { application: named(agent) }),
    ...(session !== undefined && { session: { format: 'opaque', id: session } }),
    ...(organization !== undefined && { tenant: { format: 'opaque', id: organization } }),
  }
  return {
    type: eventUri(event),
    subject: token === undefined ? simplest(complex) : { format: 'jwt_id', iss: issuer, jti: token },
    payload: {
      ...payload,
      event_timestamp: Math.floor(at / 1000),
      initiating_entity: actor.startsWith('tok_') ? 'admin' : actor.startsWith('usr_') ? 'user' : 'system',
      reason_admin: { en: reason },
    },
    txn,
  }
}

/** A person alone is named by a simple subject, as the interoperability profile has it. */
function simplest(complex: JsonObject): JsonObject {
  const { format: _, ...members } = complex
  const { user, ...others } = members
  return user !== undefined && Object.keys(others).length === 0 ? (user as JsonObject) : complex
}
