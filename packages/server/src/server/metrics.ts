import type { AttemptRecord } from '@valetkey/sdk/core'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Audit } from '../audit/index.ts'
import type { TokenOutcome } from '../oauth/index.ts'
import type { Store } from '../store/index.ts'

/** What Prometheus is told of a node. Labels are of bounded number: never an agent, a person or a resource. */
export interface AuthorityMetrics {
  /** Counts a call that an enforcement point recorded, under the name of its server. */
  call(record: AttemptRecord, server: string): void
  token(outcome: TokenOutcome): void
  /** Answers without the database too: then is when it is read. */
  render(): Promise<string>
}

export function createMetrics(audit: Audit, store: Store): AuthorityMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'valetkey_process_' })
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers })
  const calls = counter('valetkey_decisions_total', 'Calls decided, as recorded by enforcement points.', [
    'verdict',
    'reason',
    'server',
    'mode',
  ])
  const issued = counter('valetkey_token_issued_total', 'Tokens issued.', ['grant'])
  const refused = counter('valetkey_token_errors_total', 'Tokens refused.', ['error'])
  const read = createGauges(registry, audit, store)
  return {
    call: ({ decision, reason, mode }, server) => calls.inc({ verdict: decision, reason, server, mode }),
    token(outcome) {
      if ('error' in outcome) refused.inc({ error: outcome.error })
      else issued.inc({ grant: outcome.grant })
    },
    async render() {
      await read()
      return registry.metrics()
    },
  }
}

/** What is looked up at the moment it is asked for. */
function createGauges(registry: Registry, audit: Audit, store: Store): () => Promise<void> {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] })
  const isUp = gauge('valetkey_database_up', 'Whether the database answers.')
  const outbox = gauge('valetkey_audit_outbox', 'Recorded changes that wait to be moved into the evidence.')
  const missing = gauge(
    'valetkey_audit_missing',
    'Records that enforcement points numbered and that have not arrived.',
  )
  const conflicts = gauge('valetkey_audit_conflicts', 'Records that came again with other content.')
  const points = gauge('valetkey_enforcement_points_live', 'Enforcement points whose lease holds.')
  return async () => {
    try {
      const figures = await audit.figures()
      outbox.set(figures.outbox)
      missing.set(figures.missing)
      conflicts.set(figures.conflicts)
      points.set(await countLivePoints(store))
      isUp.set(1)
    } catch {
      isUp.set(0)
    }
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
