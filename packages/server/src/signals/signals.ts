import type { IncomingMessage } from 'node:http'
import { AppError, newId } from '@valetkey/sdk/core'
import { Hono, type Context as HttpContext } from 'hono'
import type { LimitedFetch } from '../outbound/index.ts'
import { createRemoteKeys, type RemoteKeys } from '../people/index.ts'
import type { Store } from '../store/index.ts'
import { collectEvents } from './collect.ts'
import { createSetKeys } from './keys.ts'
import { findPushable, pushStream } from './push.ts'
import { addReceiver, findPollable, pollSource, type ReceiverParts } from './receiver.ts'
import { createSourceTokens, type SourceTokens } from './source-tokens.ts'
import { metadataPaths } from './stream-config.ts'
import { addTransmitter, type TransmitterOptions } from './transmitter.ts'

export interface SignalsOptions extends Pick<TransmitterOptions, 'readBody'>, Pick<ReceiverParts, 'guess'> {
  store: Store
  issuer: string
  now(): number
  /** How transmitters are reached. */
  fetch: LimitedFetch
  addressOf(request: IncomingMessage): string
  /** How often what waits is looked at when no hint came. */
  pollMs?: number
  /** Told of every failure that is a fault of ours. */
  onFault(fault: unknown, requestId?: string): void
}

/** Security events out and in, over HTTP and by themselves. */
export interface Signals {
  app: Hono
  /** Whether a path is one of ours. */
  serves(path: string): boolean
  /** Stops what goes out, after the event under way. */
  close(): Promise<void>
}

export function createSignals(options: SignalsOptions): Signals {
  const { store, issuer, now } = options
  const app = new Hono()
  const incomingOf = (c: HttpContext) => (c.env as { incoming?: IncomingMessage } | undefined)?.incoming
  const addressOf = (c: HttpContext) => {
    const incoming = incomingOf(c)
    return incoming ? options.addressOf(incoming) : 'unknown'
  }
  const keys = createSetKeys(store, now)
  const heard = { keysAt: createRemoteKeys(options.fetch), tokens: createSourceTokens(options) }
  const rounds = startRounds({ ...options, ...heard, keys, addressOf })
  app.onError((fault, c) => answerFault(options, fault, c))
  addTransmitter(app, { ...options, keys, sleep: rounds.sleep })
  addReceiver(app, { ...options, ...heard, addressOf })
  app.all('*', () => {
    throw new AppError('not_found', 'There is nothing at this address.')
  })
  const wellKnown = Object.values(metadataPaths(issuer))
  return {
    app,
    serves: path => path.startsWith('/signals/') || wellKnown.includes(path),
    close: rounds.close,
  }
}

type Rounds = Omit<SignalsOptions, 'addressOf'> & {
  keys: ReturnType<typeof createSetKeys>
  addressOf: ReceiverParts['addressOf']
  keysAt: RemoteKeys
  tokens: SourceTokens
}

/** Turns changes into events, pushes and polls, for as long as the node runs. The next round mends what one could not do. */
function startRounds(parts: Rounds) {
  const { store, issuer, now, pollMs = 1_000, onFault } = parts
  const stop = new AbortController()
  const sleepers = new Set<() => void>()
  /** By stream and by source: one that is slow, or that fails, holds nobody else up. */
  const underWay = new Map<string, Promise<void>>()
  let isWanted = false
  let isDue = true
  let running: Promise<void> | undefined

  function begin(id: string, work: () => Promise<void>): void {
    if (underWay.has(id)) return
    const done = work()
      .catch(onFault)
      .finally(() => underWay.delete(id))
    underWay.set(id, done)
  }
  async function round(): Promise<void> {
    const hasCollected = await collectEvents(store, { issuer, now: now(), onFault })
    if (hasCollected) for (const wake of [...sleepers]) wake()
    // Few changes mean anything to a receiver: after the others nothing more is asked.
    if (!hasCollected && !isDue) return
    isDue = false
    for (const id of await findPushable(parts)) begin(id, () => pushStream(parts, id, stop.signal))
    for (const id of await findPollable(parts)) begin(id, () => pollSource(parts, id))
  }
  async function run(): Promise<void> {
    while (isWanted && !stop.signal.aborted) {
      isWanted = false
      await round().catch(onFault)
    }
    running = undefined
  }
  function look(): void {
    isWanted = true
    if (!stop.signal.aborted) running ??= run()
  }
  const unhook = store.afterCommits(look)
  const timer = setInterval(() => {
    isDue = true
    look()
  }, pollMs)
  timer.unref()
  return {
    sleep: (ms: number) =>
      new Promise<boolean>(resolve => {
        const wake = () => {
          clearTimeout(alarm)
          sleepers.delete(wake)
          resolve(!stop.signal.aborted)
        }
        const alarm = setTimeout(wake, ms)
        sleepers.add(wake)
        if (stop.signal.aborted) wake()
      }),
    async close() {
      unhook()
      clearInterval(timer)
      stop.abort()
      for (const wake of [...sleepers]) wake()
      await running
      await Promise.all(underWay.values())
    },
  }
}

function answerFault({ now, onFault }: SignalsOptions, fault: unknown, c: HttpContext): Response {
  const failure = fault instanceof AppError ? fault : new AppError('internal', 'Something failed here.')
  const requestId = newId('request', now())
  if (failure.status >= 500) onFault(fault, requestId)
  c.header('x-request-id', requestId)
  if (failure.status === 429) c.header('retry-after', '60')
  return c.json({ err: failure.code, description: failure.message }, failure.status as 400)
}
