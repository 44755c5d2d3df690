import * as z from 'zod'
import { Slug, Time } from './words.ts'

/** What records are sent by. Files are for the environment alone, since they are this machine's. */
export const SinkKind = z.enum(['file', 'syslog', 'webhook', 'otlp'])
/** In whose words. `logs` and `spans` are OTLP's. */
export const SinkFormat = z.enum(['ocsf', 'cef', 'cloudevents', 'record', 'logs', 'spans'])
export const SinkTakes = z
  .array(z.enum(['calls', 'changes', 'alerts']))
  .min(1)
  .max(3)
/** Headers that go with every request; their values are secrets and shown to nobody. */
export const SinkHeaders = z
  .record(
    z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'This is not the name of a header.'),
    z
      .string()
      .regex(/^[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?$/, 'A header holds printable ASCII on one line.'),
  )
  .refine(headers => Object.keys(headers).length <= 16, 'Send at most 16 headers.')
export const SinkUrl = z.string().min(1).max(2048)
/** PEM of the authorities that a receiver's certificate must come from, instead of those that the machine knows. */
export const SinkAuthority = z.string().min(64).max(65_536)

/** Where records are sent, and how that goes. */
export const Sink = z.object({
  id: z.string(),
  /** Null for one of the environment, which takes everything and is named in the configuration. */
  organization: z.string().nullable(),
  name: Slug,
  kind: SinkKind,
  url: z.string(),
  format: SinkFormat,
  takes: SinkTakes,
  authority: SinkAuthority.nullable(),
  headerNames: z.array(z.string()),
  status: z.enum(['active', 'paused']),
  /** Records that wait to be looked at; those that it does not take are passed over. */
  backlog: z.number().int(),
  /** Records that were sent and confirmed, since the beginning. */
  sent: z.number().int(),
  lastSentAt: Time.nullable(),
  /** Since when nothing is taken there; null while all is well. */
  failingSince: Time.nullable(),
  lastError: z.string().nullable(),
  retryAt: Time.nullable(),
  createdAt: Time,
  createdBy: z.string(),
})
