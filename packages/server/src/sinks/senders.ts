import type { Audit, FollowedLog } from '../audit/index.ts'
import type { Store } from '../store/index.ts'
import { createSender, type Sender } from './sender.ts'
import type { ConfiguredSink } from './settings.ts'
import { ENVIRONMENT, logOf, type SinkRow, settingsOf, takesOf } from './sink-row.ts'
import type { SinkSettings, Transport } from './transport/index.ts'

/** One sender for each sink that is active. */
export interface Senders {
  /** Starts those that are new or were changed, and ends those that are gone; has each send what it waits for. */
  send(rows: readonly SinkRow[]): Promise<void>
  close(): Promise<void>
}

export interface SendersOptions {
  store: Store
  audit: Audit
  now(): number
  /** Sinks of the environment, by the id of their row. */
  own: ReadonlyMap<string, ConfiguredSink>
  transportOf(settings: SinkSettings, privateHosts?: readonly string[]): Transport
  /** Told of records that a sink has taken. */
  onSent(row: SinkRow, count: number): void
  onFault(fault: unknown): void
}

export function createSenders(options: SendersOptions): Senders {
  const { store, audit, now, own, transportOf, onSent, onFault } = options
  const senders = new Map<string, { sender: Sender; made: string }>()
  const closing = new Set<Promise<void>>()

  function start(row: SinkRow): Sender {
    const mine = own.get(row.id)
    // Whoever runs this node has named the address of a sink of the environment: it may be anywhere.
    const send = mine ? transportOf(mine, [new URL(mine.url).host]) : transportOf(settingsOf(store, row))
    return createSender({
      ...{ id: row.id, store, send, now, onFault },
      takes: takesOf(row),
      isSpans: row.format === 'spans',
      follower: audit.following.open(row.id, logOf(row)),
      findCall: decision => audit.get(decision).catch(() => undefined),
      sent: count => onSent(row, count),
    })
  }

  function match(rows: readonly SinkRow[]): void {
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
      if (!senders.has(row.id)) senders.set(row.id, { sender: start(row), made: makingOf(row) })
  }

  return {
    async send(rows) {
      match(rows)
      if (senders.size === 0) return
      const heads: FollowedLog[] = await audit.following.heads()
      for (const { sender } of senders.values()) sender.wake(heads)
    },
    async close() {
      await Promise.all([...closing, ...[...senders.values()].map(({ sender }) => sender.close())])
    },
  }
}

/** What a sender was made of: where that has changed, another one is made. */
function makingOf(row: SinkRow): string {
  const { url, format, takes, authority, sealedSecrets } = row
  return JSON.stringify([url, format, takes, authority, sealedSecrets])
}
