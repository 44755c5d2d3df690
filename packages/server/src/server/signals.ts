import type { IncomingMessage } from 'node:http'
import type { Logger } from 'pino'
import type { LimitedFetch } from '../outbound/index.ts'
import { createSignals, type Signals } from '../signals/index.ts'
import type { Store } from '../store/index.ts'
import { createAttempts } from './attempts.ts'
import { readBody } from './body.ts'

/** What a stream or a poll says is small. */
const MAX_BODY_BYTES = 256_000

/** Security events, behind tokens of receivers and the signatures of identity providers. */
export function openSignals(options: {
  store: Store
  now(): number
  issuer: string
  addressOf(request: IncomingMessage): string
  fetch: LimitedFetch
  log: Logger
}): Signals {
  const { log, ...rest } = options
  return createSignals({
    ...rest,
    readBody: request => readBody(request, MAX_BODY_BYTES),
    guess: createAttempts(options.now),
    onFault: (fault, requestId) => log.error({ err: fault, requestId }, 'security events met a fault'),
  })
}
