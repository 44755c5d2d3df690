import { CATALOGUE, isoTime, newId } from '@valetkey/sdk/core'
import { type Audit, record } from '../audit/index.ts'
import { lock } from '../directory/index.ts'
import type { Store } from '../store/index.ts'
import { sinkHandlers } from './operations.ts'
import { createSender, type Sender } from './sender.ts'
import type { ConfiguredSink } from './settings.ts'
import { ENVIRONMENT, logOf, readSinks, type SinkRow, settingsOf, takesOf } from './sink-row.ts'
import { createTransport, type SinkSettings, type Transport } from './transport/index.ts'

const ROUND_EVERY_MS = 1000
/** How often it is looked for what other nodes have stored or changed. */
const LOOK_EVERY_MS = 2000

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
export const OF_ORGANIZATIONS = '(organizations)'

/** Begins to send what every sink waits for, wherever it was left, and goes on until it is closed. */
export async function openSinks(options: SinksOptions): Promise<Sinks> {
  const { store, audit, now, configured, onFault } = options
  const own = await putConfigured(options)
  const sent = new Map<string, number>()
  const senders = new Map<string, { sender: Sender; made: string }>()
  const closing = new Set<Promise<void>>()
  let isDirty = true
  let lookAt = 0

  const transportOf = (settings: SinkSettings, privateHosts = options.privateHosts): Transport =>
    createTransport(settings, { privateHosts, resolve: options.resolve, host: options.host, now })

  function startSender(row: SinkRow): Sender {
    const mine = own.get(row.id)
    const label = mine ? mine.name : OF_ORGANIZATIONS
    // Whoever runs this node has named the address of a sink of the environment: it may be anywhere.
    const send = mine ? transportOf(mine, [new URL(mine.url).host]) : transportOf(settingsOf(store, row))
    return createSender({
      ...{ id: row.id, store, send, now, onFault },
      takes: takesOf(row),
      isSpans: row.format === 'spans',
      follower: audit.following.open(row.id, logOf(row)),
      findCall: decision => audit.get(decision).catch(() => undefined),
      sent: count => sent.set(label, (sent.get(label) ?? 0) + count),
    })
  }

  /** Starts those that are new or were changed, and ends those that are gone. */
  async function matchRows(rows: readonly SinkRow[]): Promise<void> {
    const wanted = rows.filter(
      row => row.status === 'active' && (row.organizationId !== ENVIRONMENT || own.has(row.id)),
    )
    const made = new Map(wanted.map(row => [row.id, makingOf(row)]))
    for (const [id, running] of senders) {
      if (made.get(id) === running.made) continue
      senders.delete(id)
      // What it is sending may take its time; whoever comes after it waits for its lease and not for it.
      const closed = running.sender.close().finally(() => closing.delete(closed))
      closing.add(closed)
    }
    for (const row of wanted)
      if (!senders.has(row.id)) senders.set(row.id, { sender: startSender(row), made: makingOf(row) })
  }

  async function round(): Promise<void> {
    if (!isDirty && now() < lookAt) return
    isDirty = false
    lookAt = now() + LOOK_EVERY_MS
    await matchRows(await readSinks(store.db))
    if (senders.size === 0) return
    const heads = await audit.following.heads()
    for (const { sender } of senders.values()) sender.wake(heads)
  }

  let running: Promise<void> = Promise.resolve()
  const wake = () => {
    running = running.then(round).catch(onFault)
    return running
  }
  const changed = () => {
    isDirty = true
    void wake()
  }
  const forget = audit.following.onStored(() => {
    isDirty = true
  })
  const timer = setInterval(() => void wake(), ROUND_EVERY_MS).unref()
  void wake()
  return {
    handlers: sinkHandlers({ following: audit.following, transportOf, changed }),
    wake() {
      isDirty = true
      return wake()
    },
    async figures() {
      const rows = await readSinks(store.db)
      const backlogs = await audit.following.backlogs(rows.map(row => ({ id: row.id, name: logOf(row) })))
      const figures = new Map<string, SinkFigures>()
      for (const sink of [...configured.map(({ name }) => name), OF_ORGANIZATIONS])
        figures.set(sink, { sink, backlog: 0, sent: sent.get(sink) ?? 0, isFailing: 0 })
      for (const row of rows) {
        const of = figures.get(row.organizationId === ENVIRONMENT ? row.name : OF_ORGANIZATIONS)
        if (!of || (row.organizationId === ENVIRONMENT && !own.has(row.id))) continue
        of.backlog += backlogs.get(row.id) ?? 0
        of.isFailing += row.failingSince === null ? 0 : 1
      }
      return [...figures.values()]
    },
    async close() {
      clearInterval(timer)
      forget()
      await running
      await Promise.all([...closing, ...[...senders.values()].map(({ sender }) => sender.close())])
    },
  }
}

/** What a sender was made of: where that has changed, another one is made. */
function makingOf(row: SinkRow): string {
  const { url, format, takes, authority, sealedSecrets } = row
  return JSON.stringify([url, format, takes, authority, sealedSecrets])
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
