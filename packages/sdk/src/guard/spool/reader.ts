import { advance, dropShipped, type Log } from './log.ts'
import { NEWLINE, type Segment, segmentPath } from './segment.ts'

/** Records to ship, oldest first, all of one boot epoch. */
export interface Batch {
  readonly epoch: number
  /** One JSON object each. */
  readonly records: string[]
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
  const lines = await readLines(log, segment, limits)
  const records = lines.toString().split('\n')
  records.pop()
  return {
    epoch: segment.epoch,
    records,
    done: () => advance(log, { segment, offset: offset + lines.length, shipped: shipped + records.length }),
  }
}

async function readLines(log: Log, segment: Segment, limits: BatchLimits): Promise<Buffer> {
  const path = segmentPath(log.directory, segment.number)
  const available = segment.length - log.offset
  for (let size = limits.maxBytes; ; size *= 2) {
    const read = await log.files.read(path, log.offset, Math.min(size, available))
    // A view: copying a megabyte for each batch costs more than sending it.
    const bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength)
    const length = wholeLines(bytes, size === limits.maxBytes ? limits.maxRecords : 1)
    if (length > 0) return bytes.subarray(0, length)
    if (size >= available)
      throw new Error(`unreachable: segment ${segment.number} is shorter than what was durable`)
  }
}

/** Where the last whole line ends, counting no more than `most` lines. */
function wholeLines(bytes: Buffer, most: number): number {
  let end = 0
  for (let count = 0; count < most; count++) {
    const newline = bytes.indexOf(NEWLINE, end)
    if (newline === -1) break
    end = newline + 1
  }
  return end
}
