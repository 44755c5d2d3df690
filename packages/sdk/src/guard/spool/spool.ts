import { AppError } from '../../core/index.ts'
import { diskFailure } from './failure.ts'
import { nodeFiles, type SpoolFilePort } from './file.ts'
import { lockDirectory } from './lock.ts'
import type { Log } from './log.ts'
import { createQueue, type Line } from './queue.ts'
import { type Batch, type BatchLimits, readBatch } from './reader.ts'
import { recoverLog } from './recovery.ts'
import { createWriter } from './writer.ts'

export interface SpoolOptions {
  /** A directory of this enforcement point's own; created when missing. */
  dir: string
  /** The boot epoch: a number that no earlier start of this enforcement point had. */
  epoch: number
  file?: SpoolFilePort
  /** A segment is closed once it holds this much. */
  segmentBytes?: number
  /** Records are refused once this much waits to be shipped. */
  maxBytes?: number
  /** Records are refused while this many wait for the disk. */
  maxQueued?: number
  now?: () => number
}

/** What waits to be shipped, and what could not be kept. */
export interface Backlog {
  records: number
  bytes: number
  /** Age of the oldest record that waits; 0 without one. */
  oldestMs: number
  /** Notes that never became durable, because the disk failed for longer than they could be held. */
  lost: number
}

/** Audit records on local disk, from the moment a call is decided until the authority has them. */
export interface Spool {
  /**
   * Resolves once the record is durable; rejects with `audit.unavailable` when it is not. The record is an object, its
   * JSON text on one line, or what writes that text when it is committed; what throws or writes anything else there fails
   * the commit it is part of. Its line in the spool also carries the boot `epoch`, the next `counter` (1, 2, 3 …), and as
   * `previous` the counter of the record before it in the same lane, 0 for the first.
   */
  append(record: object | Line, lane?: string): Promise<void>
  /** Takes a record that nobody waits for. It survives a failed commit, in memory, until one succeeds. */
  note(record: object | Line, lane?: string): void
  /** The oldest records that are durable and not yet shipped, for one reader at a time. */
  read(limits: BatchLimits): Promise<Batch | undefined>
  /** Resolves once there is something to read. */
  readable(): Promise<void>
  backlog(): Backlog
  /** Commits what waits, so that it can be read. */
  flush(): Promise<void>
  /** Commits what waits, then gives the directory free. */
  close(): Promise<void>
}

/** Opens a spool for this process alone and finds what earlier runs left to ship. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const {
    dir,
    epoch,
    file = nodeFiles,
    segmentBytes = 16 << 20,
    maxBytes = 1 << 30,
    maxQueued = 10_000,
  } = options
  const now = options.now ?? Date.now
  const { log, unlock } = await openLog(dir, epoch, file)
  const writer = createWriter(log, { epoch, segmentBytes, now })
  const waiting = createSignal(() => log.committed > log.shipped)
  const queue = createQueue(log, writer, { maxBytes, maxQueued, onCommit: waiting.raise })
  let shipping: Promise<void> = Promise.resolve()
  let closing: Promise<void> | undefined

  async function close(): Promise<void> {
    await queue.close()
    await writer.close()
    await shipping
    unlock()
  }

  return {
    append: queue.append,
    note: queue.note,
    async read(limits) {
      const batch = closing !== undefined ? undefined : await readBatch(log, limits)
      if (!batch) return undefined
      // Once closed, the directory may be another process's.
      const done = async (): Promise<void> => {
        if (closing === undefined) shipping = batch.done()
        await shipping
      }
      return { ...batch, done }
    },
    readable: waiting.wait,
    flush: queue.flush,
    backlog() {
      log.timeline.forget(log.shipped)
      const records = log.committed - log.shipped
      const oldestMs = records === 0 ? 0 : Math.max(0, now() - (log.timeline.oldest() ?? now()))
      return { records, bytes: log.bytes, oldestMs, lost: queue.lost() }
    },
    close: () => (closing ??= close()),
  }
}

async function openLog(
  dir: string,
  epoch: number,
  files: SpoolFilePort,
): Promise<{ log: Log; unlock: () => void }> {
  let unlock: (() => void) | undefined
  try {
    await files.makeDirectory(dir)
    unlock = await lockDirectory(dir)
    const log = await recoverLog(dir, files)
    if (log.epochs.has(epoch)) {
      throw new AppError(
        'config.invalid',
        `The spool holds records of boot epoch ${epoch}; each start needs a new one.`,
      )
    }
    return { log, unlock }
  } catch (cause) {
    unlock?.()
    if (cause instanceof AppError) throw cause
    throw diskFailure(cause)
  }
}

/** Lets one waits until a condition that only `raise` can make true. */
function createSignal(isSet: () => boolean): { wait: () => Promise<void>; raise: () => void } {
  let waiters: PromiseWithResolvers<void> | undefined
  return {
    wait() {
      if (isSet()) return Promise.resolve()
      waiters ??= Promise.withResolvers()
      return waiters.promise
    },
    raise() {
      waiters?.resolve()
      waiters = undefined
    },
  }
}
