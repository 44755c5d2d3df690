import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import { listenOn } from './listening.ts'
import type { ChangeListener } from './store.ts'

const CHANNEL = 'valetkey_change'
/** The least between two NOTIFY: each takes a lock on the whole database server at its commit. */
const APART_MS = 5
/** PostgreSQL takes up to 7999 bytes; more organizations than fit become "look at all". */
const PAYLOAD_LIMIT_BYTES = 7900

/** Tells other nodes of changes and hears of theirs, over one connection for both. */
export interface Notifications {
  tell(organizations: readonly string[]): void
  /** Tells what was not told yet, then ends. */
  close(): Promise<void>
}

/** `hear` gets what other nodes changed; undefined after a time in which something may have been missed. */
export async function openNotifications(
  createClient: () => Client,
  hear: ChangeListener,
): Promise<Notifications> {
  const untold = new Set<string>()
  /** The one that is on its way, and the pause after it. */
  let round: Promise<void> | undefined

  const listening = await listenOn({
    createClient,
    channel: CHANNEL,
    hear({ processId, payload = '' }, client) {
      // What this node told comes back to it as well; its listeners were called at the commit.
      if (processId !== processIdOf(client)) hear(payload === '' ? undefined : payload.split(' '))
    },
    cameBack() {
      hear(undefined)
      send()
    },
  })

  /** One at a time: what changes while one is on its way, or too soon after it, goes with the next. */
  function send(): void {
    round ??= sendUntold().then(async isTold => {
      await sleep(APART_MS)
      round = undefined
      if (isTold && untold.size > 0) send()
    })
  }

  /** False where they wait for the next connection, or for the next change. */
  async function sendUntold(): Promise<boolean> {
    const client = listening.current()
    if (client === undefined) return false
    if (untold.size === 0) return true
    const organizations = [...untold]
    untold.clear()
    const names = organizations.join(' ')
    const payload = Buffer.byteLength(names) > PAYLOAD_LIMIT_BYTES ? '' : names
    try {
      await client.query('select pg_notify($1, $2)', [CHANNEL, payload])
      return true
    } catch {
      // This connection may hang rather than be broken.
      for (const organization of organizations) untold.add(organization)
      void client.end().catch(() => {})
      return false
    }
  }

  return {
    tell(organizations) {
      for (const organization of organizations) untold.add(organization)
      send()
    },
    async close() {
      while (round !== undefined) await round
      await sendUntold()
      await listening.close()
    },
  }
}

/** pg keeps the server's process id of a connection, and its types do not know. */
function processIdOf(client: Client): number | undefined {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : undefined
}
