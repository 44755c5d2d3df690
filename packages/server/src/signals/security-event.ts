import { errors, jwtVerify } from 'jose'
import * as z from 'zod'
import { type RemoteKeys, SIGNATURE_ALGORITHMS } from '../people/index.ts'
import type { SourceRow } from './sources.ts'

const TOLERANCE_SECONDS = 60

/** Why an event was not taken, in the words of RFC 8935 section 2.4. */
export const REFUSAL_CODES = ['invalid_request', 'invalid_key', 'invalid_issuer', 'invalid_audience'] as const
export type RefusalCode = (typeof REFUSAL_CODES)[number]

export class SignalRefusal extends Error {
  override name = 'SignalRefusal'
  readonly err: RefusalCode
  constructor(err: RefusalCode, description: string, cause?: unknown) {
    super(description, cause === undefined ? undefined : { cause })
    this.err = err
  }
}

/** A subject of RFC 9493, or several at once. */
export type SubjectId = { format: string } & Record<string, unknown>
const SubjectId: z.ZodType<SubjectId> = z.looseObject({ format: z.string().max(100) })

const Claims = z.object({
  iss: z.string(),
  jti: z.string().min(1).max(512),
  iat: z.number(),
  sub_id: SubjectId,
  events: z.record(z.string().max(500), z.looseObject({ event_timestamp: z.number().optional() })),
  // SSF 1.0 section 4.1: what looks like a token of another kind is none of ours.
  exp: z.undefined().optional(),
  sub: z.undefined().optional(),
})

/** One event that a source tells of. */
export interface Heard {
  jti: string
  type: string
  subject: SubjectId
  payload: Record<string, unknown>
  /** When it happened, in milliseconds since 1970; never ahead of now. */
  at: number
}

/**
 * Reads a Security Event Token (RFC 8417): signed by the source, for us, about one thing. One does not expire; what an old
 * one can end is what was there when it was made.
 */
export async function readSecurityEvent(
  source: SourceRow,
  token: string,
  { now, keysAt }: { now: number; keysAt: RemoteKeys },
): Promise<Heard> {
  const { jti, iat, sub_id, events } = await verify(source, token, { now, keysAt })
  const [first, ...others] = Object.entries(events)
  if (!first || others.length > 0)
    throw new SignalRefusal('invalid_request', 'A token tells of exactly one event.')
  const [type, payload] = first
  if (iat > now / 1000 + TOLERANCE_SECONDS)
    throw new SignalRefusal('invalid_request', 'The token was made in the future.')
  const seconds = payload.event_timestamp ?? iat
  return { jti, type, subject: sub_id, payload, at: Math.min(now, seconds * 1000) }
}

async function verify(
  source: SourceRow,
  token: string,
  { now, keysAt }: { now: number; keysAt: RemoteKeys },
): Promise<z.output<typeof Claims>> {
  try {
    const { payload } = await jwtVerify(token, keysAt(source.jwksUri), {
      ...{ issuer: source.issuer, audience: source.audience, algorithms: SIGNATURE_ALGORITHMS },
      typ: 'secevent+jwt',
      currentDate: new Date(now),
    })
    return Claims.parse(payload)
  } catch (cause) {
    throw refusalOf(cause)
  }
}

function refusalOf(cause: unknown): unknown {
  if (cause instanceof errors.JWTClaimValidationFailed) {
    if (cause.claim === 'iss') return new SignalRefusal('invalid_issuer', 'Another issuer.', cause)
    if (cause.claim === 'aud') return new SignalRefusal('invalid_audience', 'For somebody else.', cause)
  }
  const isOfKey =
    cause instanceof errors.JWKSNoMatchingKey ||
    cause instanceof errors.JWSSignatureVerificationFailed ||
    cause instanceof errors.JWKSMultipleMatchingKeys ||
    cause instanceof errors.JOSEAlgNotAllowed
  if (isOfKey) return new SignalRefusal('invalid_key', 'Not signed by a key of the source.', cause)
  if (cause instanceof errors.JOSEError || cause instanceof z.ZodError)
    return new SignalRefusal('invalid_request', 'Not a security event token.', cause)
  return cause
}
