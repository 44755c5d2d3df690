import type { IncomingMessage } from 'node:http'
import { type JsonObject, newId } from '@valetkey/sdk/core'
import type { errors, KoaContext } from 'oidc-provider'
import { attemptOf } from './client/attempt.ts'
import type { FailureLimit } from './failure-limit.ts'
import type { Journal } from './journal.ts'
import type { Log } from './log.ts'

/** A token that was not issued, and why; for the record, not for the caller. */
export interface Refusal {
  organization: string | undefined
  /** The agent, once it proved itself. */
  agent: string | undefined
  client: string | undefined
  credential: string | undefined
  /** The error that the caller got. */
  error: string
  reason: string
  audience: string | undefined
  scope: string | undefined
  address: string
  /** What somebody was told who saw a page about it. */
  reference?: string | undefined
}

const BURST = 50
const PER_SECOND = 10
const MAX_TEXT = 300

/**
 * Records refusals as `token.refused`, at a bounded rate: who floods the endpoint must not fill the audit store. What
 * was left out is counted in the next event.
 */
export function createRefusals(options: {
  journal: Journal
  now: () => number
  log: Log
}): (refusal: Refusal) => void {
  const { journal, now, log } = options
  let allowance = BURST
  let since = now()
  let suppressed = 0
  return refusal => {
    allowance = Math.min(BURST, allowance + (Math.max(0, now() - since) / 1000) * PER_SECOND)
    since = now()
    if (allowance < 1) {
      suppressed++
      return
    }
    allowance--
    const { organization = null, agent, client = '', ...rest } = refusal
    const detail: JsonObject = { client: client.slice(0, MAX_TEXT) }
    for (const [name, value] of Object.entries(rest)) if (value) detail[name] = value.slice(0, MAX_TEXT)
    if (suppressed > 0) detail['suppressed'] = suppressed
    suppressed = 0
    const actor = agent ?? 'anonymous'
    const target = agent ?? client.slice(0, MAX_TEXT)
    journal
      .record({ organization, type: 'token.refused', actor, target, detail })
      .catch((error: unknown) => log.error({ err: error }, 'could not record a refused token'))
  }
}

/** What it takes to note that a request was refused. */
export interface RefusalOptions {
  refused: (refusal: Refusal) => void
  limit: FailureLimit
  addressOf: (request: IncomingMessage) => string
  log: Log
}

/** No refusals: what another endpoint answers, and a client that waits for its person as it should. */
const UNREMARKABLE = new Set(['unsupported_token_type', 'authorization_pending', 'slow_down'])

/** Counts failed authentications and puts the reason on record; the caller has been told no more than the error. */
export function noteRefusal(options: RefusalOptions, ctx: KoaContext, error: errors.OIDCProviderError): void {
  if (UNREMARKABLE.has(error.error)) return
  if (error.statusCode === 503) {
    options.log.error({ err: error.cause ?? error }, 'the authorization server cannot reach its database')
    return
  }
  const attempt = attemptOf(ctx)
  const address = options.addressOf(ctx.req)
  if (error.error === 'invalid_client') options.limit.failed(attempt.client ?? '', address)
  const { params = {} } = ctx.oidc
  options.refused({
    organization: (attempt.caller ?? attempt.receiver)?.organization,
    agent: attempt.credential && attempt.caller?.agent,
    client: attempt.client,
    credential: attempt.credential?.id,
    error: error.error,
    reason: reasonOf(ctx, error),
    audience: text(params['resource']),
    scope: text(params['scope']),
    address,
    reference:
      ctx.oidc.route === 'authorization' || ctx.oidc.route === 'resume' ? referenceOf(ctx) : undefined,
  })
}

/** Names one refused request, on the page about it and in the record. */
export function referenceOf(ctx: KoaContext): string {
  const attempt = attemptOf(ctx)
  attempt.reference ??= newId('request')
  return attempt.reference
}

function reasonOf(ctx: KoaContext, error: errors.OIDCProviderError): string {
  const attempt = attemptOf(ctx)
  const ours = error.error === 'invalid_client' && !attempt.credential ? attempt.refusal : undefined
  return ours ?? error.error_detail ?? error.error_description ?? error.error
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
