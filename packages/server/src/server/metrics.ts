import type { CallRecord } from '@valetkey/sdk/core'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Audit } from '../audit/index.ts'
import type { Store } from '../store/index.ts'

/** What Prometheus is told of a node. Labels are of bounded number: never an agent, a person or a resource. */
export interface AuthorityMetrics {
  recorded(records: readonly CallRecord[]): void
  render(): Promise<string>
}

export function createMetrics(audit: Audit, store: Store): AuthorityMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'valetkey_process_' })
  const decisions = new Counter({
    name: 'valetkey_decisions_total',
    help: 'Calls decided, as recorded by enforcement points.',
    labelNames: ['verdict', 'reason', 'server', 'mode'],
    registers: [registry],
  })
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] })
  const outbox = gauge('valetkey_audit_outbox', 'Recorded changes that wait to be moved into the evidence.')
  const missing = gauge(
    'valetkey_audit_missing',
    'Records that enforcement points numbered and that have not arrived.',
  )
  const conflicts = gauge('valetkey_audit_conflicts', 'Records that came again with other content.')
  const points = gauge('valetkey_enforcement_points_live', 'Enforcement points whose lease holds.')
  return {
    recorded(records) {
      for (const record of records)
        if (record.type === 'attempt')
          decisions.inc({
            verdict: record.decision,
            reason: record.reason,
            server: record.server,
            mode: record.mode,
          })
    },
    async render() {
      const figures = await audit.figures()
      outbox.set(figures.outbox)
      missing.set(figures.missing)
      conflicts.set(figures.conflicts)
      points.set(await countLivePoints(store))
      return registry.metrics()
    },
  }
}

async function countLivePoints(store: Store): Promise<number> {
  const now = await store.clock(store.db)
  const row = await store.db
    .selectFrom('enforcementPoint')
    .select(eb => eb.fn.countAll<number>().as('live'))
    .where('leaseUntil', '>', now)
    .executeTakeFirstOrThrow()
  return Number(row.live)
}
