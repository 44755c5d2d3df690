import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import { translatePostgres } from './faults.ts'
import type { ChangeListener } from './store.ts'

const CHANNEL = 'valetkey_change'
/** Changes of this long become one NOTIFY: each takes a lock on the whole database server at its commit. */
const COALESCE_MS = 5
/** PostgreSQL takes up to 7999 bytes; more organizations than fit become "look at all". */
const PAYLOAD_LIMIT_BYTES = 7900
const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 2000

/** Tells other nodes of changes and hears of theirs, over one connection that comes back by itself. */
export interface Notifications {
  tell(organizations: readonly string[]): void
  close(): Promise<void>
}

/** `hear` gets what other nodes changed; undefined after a time in which something may have been missed. */
export async function openNotifications(
  createClient: () => Client,
  hear: ChangeListener,
): Promise<Notifications> {
  const untold = new Set<string>()
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let current: Client | undefined
  let sending = Promise.resolve()

  async function connect(): Promise<void> {
    const client = createClient()
    let isOver = false
    client.once('end', () => {
      isOver = true
      if (current === client) void reconnect()
    })
    client.on('notification', ({ processId, payload = '' }) => {
      // What this node told comes back to it as well; its listeners were called at the commit.
      if (processId !== processIdOf(client)) hear(payload === '' ? undefined : payload.split(' '))
    })
    try {
      await client.connect()
      await client.query(`listen ${CHANNEL}`)
      if (isOver || isClosed) throw new Error('The connection ended as soon as it stood.')
      current = client
    } catch (error) {
      await client.end().catch(() => {})
      throw translatePostgres(error)
    }
  }

  async function reconnect(): Promise<void> {
    current = undefined
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      await sleep(waitMs * (0.5 + Math.random()), undefined, { ref: false })
      if (isClosed) return
      try {
        await connect()
      } catch {
        // Not yet; followers look by themselves in the meantime.
        continue
      }
      hear(undefined)
      return send()
    }
  }

  /** One at a time: what changes while one is on its way goes with the next. */
  function send(): Promise<void> {
    timer = undefined
    sending = sending.then(sendUntold)
    return sending
  }

  async function sendUntold(): Promise<void> {
    const client = current
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

  await connect()
  return {
    tell(organizations) {
      for (const organization of organizations) untold.add(organization)
      timer ??= setTimeout(() => void send(), COALESCE_MS)
    },
    async close() {
      clearTimeout(timer)
      await send()
      isClosed = true
      const last = current
      current = undefined
      await last?.end().catch(() => {})
    },
  }
}

/** pg keeps the server's process id of a connection, and its types do not know. */
function processIdOf(client: Client): number | undefined {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : undefined
}
