import type { Client } from 'pg'
import { listenOn } from './listening.ts'
import type { ChangeListener } from './store.ts'

const CHANNEL = 'valetkey_change'
/** Changes of this long become one NOTIFY: each takes a lock on the whole database server at its commit. */
const COALESCE_MS = 5
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
  let timer: NodeJS.Timeout | undefined
  let sending = Promise.resolve()

  const listening = await listenOn({
    createClient,
    channel: CHANNEL,
    hear({ processId, payload = '' }, client) {
      // What this node told comes back to it as well; its listeners were called at the commit.
      if (processId !== processIdOf(client)) hear(payload === '' ? undefined : payload.split(' '))
    },
    cameBack() {
      hear(undefined)
      void send()
    },
  })

  /** One at a time: what changes while one is on its way goes with the next. */
  function send(): Promise<void> {
    timer = undefined
    sending = sending.then(sendUntold)
    return sending
  }

  async function sendUntold(): Promise<void> {
    const client = listening.current()
    if (client === undefined || untold.size === 0) return
    const organizations = [...untold]
    untold.clear()
    const names = organizations.join(' ')
    const payload = Buffer.byteLength(names) > PAYLOAD_LIMIT_BYTES ? '' : names
    try {
      await client.query('select pg_notify($1, $2)', [CHANNEL, payload])
    } catch {
      // They are told over the next connection; this one may hang rather than be broken.
      for (const organization of organizations) untold.add(organization)
      void client.end().catch(() => {})
    }
  }

  return {
    tell(organizations) {
      for (const organization of organizations) untold.add(organization)
      timer ??= setTimeout(() => void send(), COALESCE_MS)
    },
    async close() {
      clearTimeout(timer)
      await send()
      await listening.close()
    },
  }
}

/** pg keeps the server's process id of a connection, and its types do not know. */
function processIdOf(client: Client): number | undefined {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : undefined
}
