import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, Notification } from 'pg'
import { translatePostgres } from './faults.ts'

const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 2000

/** A connection that listens to one channel and comes back by itself. */
export interface Listening {
  /** The connection, while there is one. */
  current(): Client | undefined
  close(): Promise<void>
}

export interface ListeningOptions {
  createClient(): Client
  channel: string
  hear(message: Notification, client: Client): void
  /** Called after every return: what was said in the meantime was missed. */
  cameBack(): void
}

/** Resolves once it listens; from then on until it is closed it never gives up. */
export async function listenOn({
  createClient,
  channel,
  hear,
  cameBack,
}: ListeningOptions): Promise<Listening> {
  let isClosed = false
  let current: Client | undefined

  async function connect(): Promise<void> {
    const client = createClient()
    let isOver = false
    client.once('end', () => {
      isOver = true
      if (current === client) void reconnect()
    })
    client.on('notification', message => hear(message, client))
    try {
      await client.connect()
      await client.query(`listen ${channel}`)
      if (isOver || isClosed) throw new Error('The connection ended as soon as it stood.')
      current = client
    } catch (error) {
      await client.end().catch(() => {})
      throw translatePostgres(error)
    }
  }

  async function reconnect(): Promise<void> {
    current = undefined
    for (let waitMs = FIRST_WAIT_MS; !isClosed; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      await sleep(waitMs * (0.5 + Math.random()), undefined, { ref: false })
      const isBack = isClosed
        ? false
        : await connect().then(
            () => true,
            () => false,
          )
      if (isBack) return cameBack()
    }
  }

  await connect()
  return {
    current: () => current,
    async close() {
      isClosed = true
      const last = current
      current = undefined
      await last?.end().catch(() => {})
    },
  }
}
