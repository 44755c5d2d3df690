import { advance, dropShipped, type Log } from './log.ts'
import { NEWLINE, type Segment, segmentPath } from './segment.ts'

/** Records to ship, oldest first, all of one boot epoch. */
export interface Batch {
  readonly epoch: number
  readonly count: number
  /** One JSON object each, with a newline behind it; until the next batch is read. */
  readonly lines: Buffer
  /** Forgets these records. Until then they are read again, also by a later process. */
  done(): Promise<void>
}

/** How much one batch may hold; a single record larger than `maxBytes` comes alone. */
export interface BatchLimits {
  maxRecords: number
  maxBytes: number
}

/** Reads the oldest records that are durable and not yet shipped. */
export async function readBatch(log: Log, limits: BatchLimits): Promise<Batch | undefined> {
  await dropShipped(log)
  const segment = log.segments[0]
  if (!segment || log.offset >= segment.length) return undefined
  const { offset, shipped } = log
  const { lines, count } = await readLines(log, segment, limits)
  return {
    epoch: segment.epoch,
    count,
    lines,
    done: () => advance(log, { segment, offset: offset + lines.length, shipped: shipped + count }),
  }
}

async function readLines(
  log: Log,
  segment: Segment,
  limits: BatchLimits,
): Promise<Pick<Batch, 'lines' | 'count'>> {
  const path = segmentPath(log.directory, segment.number)
  const available = segment.length - log.offset
  for (let size = limits.maxBytes; ; size *= 2) {
    const room = log.room(Math.min(size, available))
    const read = await log.files.read(path, log.offset, room)
    const bytes = room.subarray(0, read.length)
    const { length, count } = wholeLines(bytes, size === limits.maxBytes ? limits.maxRecords : 1)
    if (count > 0) return { lines: bytes.subarray(0, length), count }
    if (size >= available)
      throw new Error(`unreachable: segment ${segment.number} is shorter than what was durable`)
  }
}

/** Where the last whole line ends, counting no more than `most` lines. */
function wholeLines(bytes: Buffer, most: number): { length: number; count: number } {
  let [length, count] = [0, 0]
  for (; count < most; count++) {
    const newline = bytes.indexOf(NEWLINE, length)
    if (newline === -1) break
    length = newline + 1
  }
  return { length, count }
}
