import * as z from 'zod'
import { Slug, Time } from './words.ts'

/** Where events go to or are fetched from; in clear only within one machine. */
export const SignalAddress = z.url({ protocol: /^https?$/, error: 'Write an http(s) address.' }).max(2048)
/** What a receiver can be told of, by the last word of its CAEP name. */
export const SignalEventName = z.enum([
  'session-revoked',
  'credential-change',
  'token-claims-change',
  'risk-level-change',
])

/** One stream of events to one receiver. */
export const SignalStream = z.object({
  id: z.string(),
  status: z.enum(['enabled', 'paused', 'disabled']),
  reason: z.string(),
  delivery: z.enum(['push', 'poll']),
  endpoint: z.string().nullable(),
  events: z.array(SignalEventName),
  description: z.string(),
  /** How many events the receiver does not have yet. */
  waiting: z.number().int(),
  lastDeliveredAt: Time.nullable(),
  /** Why the last attempt to deliver came to nothing; null where it did not. */
  lastFault: z.string().nullable(),
  createdAt: Time,
})
/** Who is told of revocations: an OAuth client, whose client id is its id. */
export const SignalReceiver = z.object({
  id: z.string(),
  organization: z.string(),
  name: Slug,
  audience: z.string(),
  /** Where events may be pushed to; null: it fetches them. */
  pushOrigin: z.string().nullable(),
  /** How people are named in events: by our id, or by their address. */
  subjects: z.enum(['iss_sub', 'email']),
  stream: SignalStream.nullable(),
  createdAt: Time,
  createdBy: z.string(),
  lastUsedAt: Time.nullable(),
})
/** An identity provider's transmitter, whose events end what they are about. */
export const SignalSource = z.object({
  id: z.string(),
  organization: z.string(),
  name: Slug,
  provider: z.string(),
  issuer: z.string(),
  jwksUri: z.string(),
  audience: z.string(),
  /** Where it pushes to: a path below our issuer. */
  path: z.string(),
  pollUrl: z.string().nullable(),
  /** As which OAuth client it is polled, and where the tokens come from; null: by a header, or not at all. */
  client: z
    .object({
      id: z.string(),
      method: z.enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt']),
      authorizationServer: z.string(),
      tokenUrl: z.string(),
      resource: z.string().nullable(),
    })
    .nullable(),
  createdAt: Time,
  createdBy: z.string(),
  lastHeardAt: Time.nullable(),
  lastFault: z.string().nullable(),
})
/** A key that events are signed with. */
export const SignalKey = z.object({
  kid: z.string(),
  createdAt: Time,
  status: z.enum(['next', 'active', 'retired']),
})
