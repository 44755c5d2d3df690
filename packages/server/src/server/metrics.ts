import type { AttemptRecord } from '@valetkey/sdk/core'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Audit } from '../audit/index.ts'
import type { Baseline } from '../baseline/index.ts'
import type { TokenOutcome } from '../oauth/index.ts'
import type { Sinks } from '../sinks/index.ts'
import type { Store } from '../store/index.ts'

/** What Prometheus is told of a node. Labels are of bounded number: never an agent, a person or a resource. */
export interface AuthorityMetrics {
  /** Counts a call that an enforcement point recorded, under the name of its server. */
  call(record: AttemptRecord, server: string): void
  token(outcome: TokenOutcome): void
  /** Answers without the database too: then is when it is read. */
  render(): Promise<string>
}

/** What is asked when the metrics are. */
interface Sources {
  audit: Pick<Audit, 'figures'>
  store: Store
  sinks: Pick<Sinks, 'figures'>
  baseline: Pick<Baseline, 'figures'>
}

export function createMetrics(sources: Sources): AuthorityMetrics {
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
  const read = createGauges(registry, sources)
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
function createGauges(registry: Registry, { audit, store, sinks, baseline }: Sources): () => Promise<void> {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] })
  const isUp = gauge('valetkey_database_up', 'Whether the database answers.')
  const outbox = gauge('valetkey_audit_outbox', 'Recorded changes that wait to be moved into the evidence.')
  const missing = gauge(
    'valetkey_audit_missing',
    'Records that enforcement points numbered and that have not arrived.',
  )
  const conflicts = gauge('valetkey_audit_conflicts', 'Records that came again with other content.')
  const points = gauge('valetkey_enforcement_points_live', 'Enforcement points whose lease holds.')
  const readSinks = createSinkGauges(registry, sinks)
  const readBaseline = createBaselineGauges(registry, baseline)
  return async () => {
    try {
      const figures = await audit.figures()
      outbox.set(figures.outbox)
      missing.set(figures.missing)
      conflicts.set(figures.conflicts)
      points.set(await countLivePoints(store))
      await readSinks()
      await readBaseline()
      isUp.set(1)
    } catch {
      isUp.set(0)
    }
  }
}

/** Of each sink of the environment, and of those of organizations together. */
function createSinkGauges(registry: Registry, sinks: Pick<Sinks, 'figures'>): () => Promise<void> {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['sink'], registers: [registry] })
  const backlog = gauge('valetkey_sink_backlog', 'Records that wait to be sent on.')
  const failing = gauge('valetkey_sink_failing', 'Sinks that take nothing at present.')
  const sent = gauge('valetkey_sink_sent', 'Records that this node has sent on since its start.')
  return async () => {
    for (const { sink, ...figures } of await sinks.figures()) {
      backlog.set({ sink }, figures.backlog)
      failing.set({ sink }, figures.isFailing)
      sent.set({ sink }, figures.sent)
    }
  }
}

function createBaselineGauges(registry: Registry, baseline: Pick<Baseline, 'figures'>): () => Promise<void> {
  const registers = [registry]
  const backlog = new Gauge({
    name: 'valetkey_baseline_backlog',
    help: 'Records that wait to be held against what their agents usually do.',
    registers,
  })
  const alerts = new Gauge({
    name: 'valetkey_alerts_total',
    help: 'Alerts that this node has raised since its start.',
    labelNames: ['kind'],
    registers,
  })
  return async () => {
    const figures = await baseline.figures()
    backlog.set(figures.backlog)
    for (const [kind, count] of figures.raised) alerts.set({ kind }, count)
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
