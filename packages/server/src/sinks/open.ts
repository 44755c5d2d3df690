import { CATALOGUE, isoTime, newId } from '@valetkey/sdk/core'
import { type Audit, record } from '../audit/index.ts'
import { lock } from '../directory/index.ts'
import type { Store } from '../store/index.ts'
import { sinkHandlers } from './operations.ts'
import { createSenders } from './senders.ts'
import type { ConfiguredSink } from './settings.ts'
import { ENVIRONMENT, logOf, readSinks, type SinkRow } from './sink-row.ts'
import { createTransport, type SinkSettings, type Transport } from './transport/index.ts'

export interface SinksOptions {
  store: Store
  audit: Audit
  now(): number
  /** Sinks of the environment. */
  configured: readonly ConfiguredSink[]
  /** Hosts that sinks of organizations may send to within this network. */
  privateHosts: readonly string[]
  resolve?: ((host: string) => Promise<string[]>) | undefined
  /** Who we are, to a syslog receiver. */
  host: string
  onFault(fault: unknown): void
}

/** How sending goes: of each sink of the environment, and of all others together. Counts are those of this process. */
export interface SinkFigures {
  sink: string
  backlog: number
  sent: number
  isFailing: number
}

export interface Sinks {
  readonly handlers: ReturnType<typeof sinkHandlers>
  figures(): Promise<SinkFigures[]>
  /** Looks for something to send now, without waiting for the next round. */
  wake(): Promise<void>
  close(): Promise<void>
}

/** What figures call all sinks that are not of the environment. */
const OF_ORGANIZATIONS = '(organizations)'

/** Begins to send what every sink waits for, wherever it was left, and goes on until it is closed. */
export async function openSinks(options: SinksOptions): Promise<Sinks> {
  const { store, audit, now, onFault } = options
  const { following } = audit
  const own = await putConfigured(options)
  const sent = new Map<string, number>()
  const transportOf = (settings: SinkSettings, privateHosts = options.privateHosts): Transport =>
    createTransport(settings, { privateHosts, resolve: options.resolve, host: options.host, now })
  const labelOf = ({ id }: SinkRow) => own.get(id)?.name ?? OF_ORGANIZATIONS
  const senders = createSenders({
    ...{ store, audit, now, own, transportOf, onFault },
    onSent: (row, count) => sent.set(labelOf(row), (sent.get(labelOf(row)) ?? 0) + count),
  })
  const watch = following.watch(async () => senders.send(await readSinks(store.db)), { now, onFault })
  void watch.look()
  return {
    handlers: sinkHandlers({ following, transportOf, changed: () => void watch.look() }),
    wake: watch.look,
    async figures() {
      const rows = await readSinks(store.db)
      const backlogs = await following.backlogs(rows.map(row => ({ id: row.id, name: logOf(row) })))
      const labels = [...options.configured.map(({ name }) => name), OF_ORGANIZATIONS]
      const figures = new Map(
        labels.map(sink => [sink, { sink, backlog: 0, sent: sent.get(sink) ?? 0, isFailing: 0 }]),
      )
      for (const row of rows) {
        // Of the environment's only those that are configured still.
        const of =
          row.organizationId === ENVIRONMENT && !own.has(row.id) ? undefined : figures.get(labelOf(row))
        if (!of) continue
        of.backlog += backlogs.get(row.id) ?? 0
        of.isFailing += row.failingSince === null ? 0 : 1
      }
      return [...figures.values()]
    },
    async close() {
      await watch.close()
      await senders.close()
    },
  }
}

/** Gives each configured sink a row, by which its progress is kept; those that are configured no more keep theirs. */
async function putConfigured(options: SinksOptions): Promise<Map<string, ConfiguredSink>> {
  const { store, audit, now, configured } = options
  const own = new Map<string, ConfiguredSink>()
  for (const sink of configured) {
    const behind = await audit.following.heads()
    await store.write(async tx => {
      // Of two nodes that start at once, one makes it and the other finds it.
      await lock(tx, CATALOGUE)
      const { name, kind, url, format, authority } = sink
      const createdAt = isoTime(now())
      const values = {
        ...{ kind, url, format, authority, takes: JSON.stringify(sink.takes) },
        headerNames: JSON.stringify(Object.keys(sink.headers)),
      }
      const before = await tx
        .selectFrom('sink')
        .select('id')
        .where('organizationId', '=', ENVIRONMENT)
        .where('name', '=', name)
        .executeTakeFirst()
      const id = before?.id ?? newId('sink', now())
      own.set(id, sink)
      if (before) return void (await tx.updateTable('sink').set(values).where('id', '=', id).execute())
      await tx
        .insertInto('sink')
        .values({
          ...{ id, organizationId: ENVIRONMENT, name, ...values, sealedSecrets: null, status: 'active' },
          ...{ sent: 0, lastSentAt: null, failingSince: null, failures: 0, lastError: null, retryAt: 0 },
          ...{ createdAt, createdBy: 'configuration' },
        })
        .execute()
      await audit.following.begin(tx, id, behind, createdAt)
      const detail = { name, kind, url, format, takes: sink.takes }
      const event = { organization: null, type: 'sink.created', actor: 'configuration', target: id, detail }
      await record(tx, event, now())
    })
  }
  return own
}
