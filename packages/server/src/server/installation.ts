import { isoTime } from '@valetkey/sdk/core'
import type { Audit } from '../audit/index.ts'
import type { Mailer } from '../mail/index.ts'
import type { Store } from '../store/index.ts'
import type { Handlers } from './handlers.ts'

/** Says how this node is, by asking each of its parts now. */
export function createInstallation(parts: {
  store: Store
  audit: Audit
  now(): number
  mailer: Mailer | undefined
}): Handlers['installation'] {
  const { store, audit, now, mailer } = parts
  return {
    async status() {
      const from = performance.now()
      const clock = await store.clock(store.db)
      const answersInMs = Math.round((performance.now() - from) * 10) / 10
      const at = now()
      const { outbox, missing, conflicts } = await audit.figures()
      return {
        now: isoTime(at),
        database: { kind: store.dialect, answersInMs, aheadMs: Math.round(clock - at) },
        evidence: { outbox, missing, conflicts },
        mail: { on: mailer !== undefined },
      }
    },
  }
}
