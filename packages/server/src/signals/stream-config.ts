import { shapes } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import * as z from 'zod'
import { SIGNAL_SCOPES, signalResource } from '../oauth/index.ts'
import { caepName, eventUri } from './event.ts'
import { EVENT_NAMES, type EventName } from './happening.ts'
import type { StreamRow } from './queue.ts'
import { ALL_EVENTS, MIN_VERIFICATION_SECONDS, type ReceiverRow, type StreamWish } from './streams.ts'

const PUSH = 'urn:ietf:rfc:8935'
const POLL = 'urn:ietf:rfc:8936'
const DELIVERY_METHODS = [PUSH, POLL]

const Text = z.string().max(500)
const Delivery = z.object({
  method: z.enum([PUSH, POLL]),
  endpoint_url: shapes.SignalAddress.optional(),
  authorization_header: z
    .string()
    .regex(/^[\x21-\x7e][\x20-\x7e]{0,2047}$/)
    .optional(),
})
/** What a receiver says of its stream (SSF 1.0 section 8.1.1); members that nobody here knows are left alone. */
export const StreamRequest = z.object({
  stream_id: z.string().max(200).optional(),
  iss: z.string().optional(),
  aud: z.union([z.string(), z.array(z.string())]).optional(),
  events_requested: z.array(z.string().max(500)).max(200).optional(),
  delivery: Delivery.optional(),
  description: Text.optional(),
})
export type StreamRequest = z.output<typeof StreamRequest>

/** What a stream is to be after a request; where it says nothing, as it is now, or by default. */
export function toWish(request: StreamRequest, current: StreamWish | undefined): StreamWish {
  const { delivery, events_requested: requested, description } = request
  const to = delivery?.method === PUSH ? delivery.endpoint_url : undefined
  if (delivery?.method === PUSH && to === undefined)
    throw new AppError('request.invalid', 'Name the endpoint_url to push to.', { path: 'delivery' })
  const push = delivery
    ? { endpoint: to, authorization: to === undefined ? undefined : delivery.authorization_header }
    : { endpoint: current?.endpoint, authorization: current?.authorization }
  return {
    ...push,
    events: requested ? requested.flatMap(supported) : (current?.events ?? ALL_EVENTS),
    description: description ?? current?.description ?? '',
  }
}

function supported(uri: string): EventName[] {
  const name = caepName(uri)
  return EVENT_NAMES.filter(known => known === name)
}

/** A stream as its receiver is shown it; without what goes into its header. */
export function showStream(issuer: string, receiver: ReceiverRow, stream: StreamRow): object {
  const delivered = JSON.parse(stream.events) as EventName[]
  return {
    ...{ stream_id: stream.id, iss: issuer, aud: receiver.audience },
    events_supported: EVENT_NAMES.map(eventUri),
    events_requested: delivered.map(eventUri),
    events_delivered: delivered.map(eventUri),
    delivery:
      stream.delivery === 'push'
        ? { method: PUSH, endpoint_url: stream.endpoint }
        : { method: POLL, endpoint_url: `${issuer}/signals/poll/${stream.id}` },
    min_verification_interval: MIN_VERIFICATION_SECONDS,
    ...(stream.description !== '' && { description: stream.description }),
  }
}

/** What the issuer says of its transmitter (SSF 1.0 section 7.1). */
export function transmitterMetadata(issuer: string): object {
  return {
    ...{ spec_version: '1_0', issuer, jwks_uri: `${issuer}/signals/jwks.json` },
    delivery_methods_supported: DELIVERY_METHODS,
    configuration_endpoint: `${issuer}/signals/streams`,
    status_endpoint: `${issuer}/signals/status`,
    verification_endpoint: `${issuer}/signals/verify`,
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
    default_subjects: 'ALL',
  }
}

/** Where tokens for the streams come from, and what they have to carry (RFC 9728). */
export function resourceMetadata(issuer: string): object {
  return {
    ...{ resource: signalResource(issuer), authorization_servers: [issuer] },
    scopes_supported: SIGNAL_SCOPES,
    bearer_methods_supported: ['header'],
  }
}

/** A well-known path goes before the path of what it describes. */
export function metadataPaths(issuer: string): { transmitter: string; resource: string } {
  const { pathname } = new URL(signalResource(issuer))
  const base = new URL(issuer).pathname.replace(/\/$/, '')
  return {
    transmitter: `/.well-known/ssf-configuration${base}`,
    resource: `/.well-known/oauth-protected-resource${pathname}`,
  }
}
