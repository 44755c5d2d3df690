import { join } from 'node:path'
import type { SpoolFilePort } from './file.ts'

/** Where the durable log ends or ended: this many bytes of that segment. */
export interface LogEnd {
  segment: number
  length: number
}

/**
 * The first line of a segment. `after` says where the durable log ended when the segment was begun: what lies between
 * that point and this segment was reported as failed and is void, also when it could not be cut off at the time.
 */
export interface Header {
  spool: 1
  epoch: number
  /** Milliseconds since 1970 when the segment was begun. */
  at: number
  after: LogEnd | null
}

/** A file of the log, as far as it is durable. */
export interface Segment {
  number: number
  epoch: number
  /** Where the first record that is to be shipped begins. */
  start: number
  length: number
}

const NAME = /^(\d{6,})\.ndjson$/
const CHUNK = 1 << 20
export const NEWLINE = 0x0a

export function segmentPath(directory: string, number: number): string {
  return join(directory, `${String(number).padStart(6, '0')}.ndjson`)
}

/** The numbers of the segments in a directory, oldest first. */
export async function listSegments(files: SpoolFilePort, directory: string): Promise<number[]> {
  const names = await files.list(directory)
  return names
    .map(name => NAME.exec(name)?.[1])
    .filter(digits => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
}

/** The header and where the records begin; `torn` when the segment never got a whole line, so never held a durable record. */
export async function readHeader(
  files: SpoolFilePort,
  path: string,
): Promise<{ header: Header; start: number } | 'torn' | 'damaged'> {
  const bytes = await files.read(path, 0, Buffer.alloc(1024))
  const start = bytes.indexOf(NEWLINE) + 1
  if (start === 0) return 'torn'
  try {
    const header = JSON.parse(Buffer.from(bytes.subarray(0, start)).toString()) as Partial<Header> | null
    const isHeader = header?.spool === 1 && Number.isSafeInteger(header.epoch) && header.after !== undefined
    return isHeader ? { header: header as Header, start } : 'damaged'
  } catch {
    return 'damaged'
  }
}

/** How far a segment holds whole lines, and how many of them begin at `from` or later. */
export async function measure(
  files: SpoolFilePort,
  path: string,
  range: { from: number; to: number },
): Promise<{ length: number; records: number }> {
  const room = Buffer.alloc(CHUNK)
  let length = range.from
  let records = 0
  for (let position = range.from; position < range.to; ) {
    const chunk = await files.read(path, position, room.subarray(0, range.to - position))
    // JSON never holds a zero byte: it marks blocks that a power loss left unwritten, and what follows was never durable.
    const hole = chunk.indexOf(0)
    const whole = hole === -1 ? chunk : chunk.subarray(0, hole)
    for (let at = whole.indexOf(NEWLINE); at !== -1; at = whole.indexOf(NEWLINE, at + 1)) {
      length = position + at + 1
      records++
    }
    if (whole.length < CHUNK) break
    position += CHUNK
  }
  return { length, records }
}
