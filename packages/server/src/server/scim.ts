import type { IncomingMessage } from 'node:http'
import type { Logger } from 'pino'
import { createScim, type Scim } from '../people/index.ts'
import type { Store } from '../store/index.ts'
import { MAX_BODY_BYTES, readBody } from './body.ts'

/** SCIM, behind tokens of its own and the limits of the admin API. */
export function openScim(options: {
  store: Store
  now(): number
  issuer: string
  addressOf(request: IncomingMessage): string
  log: Logger
}): Scim {
  const { log, ...rest } = options
  return createScim({
    ...rest,
    readBody: request => readBody(request, MAX_BODY_BYTES, 'application/scim+json'),
    onFault: (fault, requestId) => log.error({ err: fault, requestId }, 'a directory could not be served'),
  })
}
