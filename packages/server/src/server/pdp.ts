import type { Logger } from 'pino'
import { createPdp, type Pdp } from '../pdp/index.ts'
import type { Store } from '../store/index.ts'
import { authenticate } from './authenticate.ts'
import { readBody } from './body.ts'

/** The PDP, behind the same API tokens and limits as the admin API. */
export function openPdp(options: { store: Store; now(): number; issuer: string; log: Logger }): Pdp {
  const { store, now, issuer, log } = options
  return createPdp({
    store,
    now,
    issuer,
    authenticate: header => authenticate(store, header, now()),
    readBody: request => readBody(request),
    onFault: (error, requestId) => log.error({ err: error, requestId }, 'a question to the PDP failed'),
  })
}
