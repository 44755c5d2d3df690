import type { SpoolFilePort } from './file.ts'
import { createLog, type Log, type Position, positionPath } from './log.ts'
import { type Header, listSegments, measure, NEWLINE, readHeader, segmentPath } from './segment.ts'

interface Found {
  number: number
  header: Header
  start: number
  /** Nothing from here on counts. */
  limit: number
}

/**
 * Finds what earlier runs left to ship. A last line without its newline was never acknowledged and is left out, and so
 * is what a later segment's header says was void. A segment whose first line is unreadable stays where it is, unshipped.
 */
export async function recoverLog(directory: string, files: SpoolFilePort): Promise<Log> {
  const log = createLog(directory, files)
  const position = await readPosition(log)
  if (position) log.epochs.add(position.epoch)
  const numbers = await listSegments(files, directory)
  log.nextNumber = Math.max(0, position?.segment ?? 0, ...numbers.slice(-1)) + 1
  for (const found of await findSegments(log, numbers)) await takeIn(log, found, position)
  return log
}

async function findSegments(log: Log, numbers: number[]): Promise<Found[]> {
  const found: Found[] = []
  for (const number of numbers) {
    const path = segmentPath(log.directory, number)
    const head = await readHeader(log.files, path)
    if (head === 'torn') await log.files.remove(path)
    if (typeof head === 'object') found.push({ number, ...head, limit: Number.POSITIVE_INFINITY })
  }
  for (const { number, header } of found) {
    if (header.after) limitTo(found, number, header.after)
  }
  return found
}

/** Voids what lies between the point where the log ended and the segment that was begun there. */
function limitTo(found: Found[], begun: number, end: { segment: number; length: number }): void {
  for (const earlier of found) {
    if (earlier.number >= begun || earlier.number < end.segment) continue
    earlier.limit = earlier.number === end.segment ? Math.min(earlier.limit, end.length) : 0
  }
}

async function takeIn(log: Log, found: Found, position: Position | undefined): Promise<void> {
  const { number, header, limit } = found
  const path = segmentPath(log.directory, number)
  const start = await firstUnshipped(log, found, position)
  const { length, records } = await measure(log.files, path, { from: start, to: limit })
  log.epochs.add(header.epoch)
  if (limit > 0) log.end = { segment: number, length }
  if (records === 0) return log.files.remove(path)
  if (log.segments.length === 0) log.offset = start
  log.segments.push({ number, epoch: header.epoch, start, length })
  log.timeline.mark(log.committed, header.at)
  log.committed += records
  log.bytes += length - start
}

/** The remembered position, if it is of this very segment and at the end of a line: else a repeat, never a skip. */
async function firstUnshipped(log: Log, found: Found, position: Position | undefined): Promise<number> {
  const { number, header, start } = found
  if (position?.segment !== number || position.epoch !== header.epoch || position.offset <= start)
    return start
  const [last] = await log.files.read(
    segmentPath(log.directory, number),
    position.offset - 1,
    Buffer.alloc(1),
  )
  return last === NEWLINE ? position.offset : start
}

async function readPosition(log: Log): Promise<Position | undefined> {
  try {
    const bytes = await log.files.read(positionPath(log.directory), 0, Buffer.alloc(1024))
    const position = JSON.parse(Buffer.from(bytes).toString()) as Partial<Position> | null
    const numbers = [position?.segment, position?.epoch, position?.offset]
    return numbers.every(Number.isSafeInteger) ? (position as Position) : undefined
  } catch {
    // None yet, or lost in a crash: everything found is shipped again.
    return undefined
  }
}
