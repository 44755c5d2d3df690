import { join } from 'node:path'
import type { SpoolFilePort } from './file.ts'
import { createRoom } from './room.ts'
import { type LogEnd, type Segment, segmentPath } from './segment.ts'
import { createTimeline, type Timeline } from './timeline.ts'

/** What is durable and not yet shipped; recovery makes it, the writer extends it, the reader moves along it. */
export interface Log {
  readonly directory: string
  readonly files: SpoolFilePort
  /** Oldest first. */
  readonly segments: Segment[]
  /** How far the first segment has been shipped. */
  offset: number
  /** Where the durable log ends, also when that segment has been shipped and removed. */
  end: LogEnd | null
  nextNumber: number
  /** Boot epochs that earlier runs used, as far as they left a trace. */
  readonly epochs: Set<number>
  /** Records and bytes since this log was opened, those found at opening included. */
  committed: number
  shipped: number
  bytes: number
  readonly timeline: Timeline
  /** What a batch is read into. */
  readonly room: (bytes: number) => Buffer
}

/** How far records have been shipped: `shipped` counts them, the rest says where that is on disk. */
export interface ShippedTo {
  segment: Segment
  offset: number
  shipped: number
}

export function createLog(directory: string, files: SpoolFilePort): Log {
  return {
    directory,
    files,
    segments: [],
    offset: 0,
    end: null,
    nextNumber: 1,
    epochs: new Set(),
    committed: 0,
    shipped: 0,
    bytes: 0,
    timeline: createTimeline(),
    room: createRoom(),
  }
}

/** Takes in records that have become durable at the end of `segment`. */
export function extend(
  log: Log,
  segment: Segment,
  added: { records: number; bytes: number; at: number },
): void {
  const isNew = segment.length === 0
  segment.length += added.bytes
  if (isNew) {
    if (log.segments.length === 0) log.offset = segment.start
    log.segments.push(segment)
  }
  log.timeline.mark(log.committed, added.at)
  log.committed += added.records
  log.bytes += isNew ? added.bytes - segment.start : added.bytes
  log.end = { segment: segment.number, length: segment.length }
}

/** Forgets what has been shipped. A crash may bring some of it back, to be shipped again, but never skips a record. */
export async function advance(log: Log, to: ShippedTo): Promise<void> {
  if (to.shipped <= log.shipped || log.segments[0] !== to.segment) return
  log.bytes -= to.offset - log.offset
  log.offset = to.offset
  log.shipped = to.shipped
  log.timeline.forget(log.shipped)
  await dropShipped(log)
  const position: Position = { segment: to.segment.number, epoch: to.segment.epoch, offset: to.offset }
  // Best effort, on a full disk too: without it records are shipped twice, which their ids make harmless.
  await log.files.replace(positionPath(log.directory), JSON.stringify(position)).catch(() => {})
}

/** Removes segments that are shipped to their end; the last one stays, the writer may still be at it. */
export async function dropShipped(log: Log): Promise<void> {
  for (let first = log.segments[0]; first && log.segments.length > 1; first = log.segments[0]) {
    if (log.offset < first.length) return
    log.segments.shift()
    log.offset = log.segments[0]?.start ?? 0
    // A file that cannot be removed now is shipped again and removed after the next start.
    await log.files.remove(segmentPath(log.directory, first.number)).catch(() => {})
  }
}

/** How far the oldest segment was shipped. The epoch ties it to that segment: a number alone could come back. */
export interface Position {
  segment: number
  epoch: number
  offset: number
}

export function positionPath(directory: string): string {
  return join(directory, 'position')
}
