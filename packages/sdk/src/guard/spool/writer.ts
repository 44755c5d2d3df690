import { diskFailure } from './failure.ts'
import type { SpoolFile } from './file.ts'
import { extend, type Log } from './log.ts'
import { createRoom } from './room.ts'
import { type Header, type Segment, segmentPath } from './segment.ts'

/** A record that has no number yet: a JSON object as text, and what it is numbered within besides. */
export interface Numberless {
  text: string
  lane: string
}

/** Puts records on disk, one commit at a time. */
export interface Writer {
  /** Resolves once all the records are durable; rejects when none of them counts. */
  commit(records: readonly Numberless[]): Promise<void>
  close(): Promise<void>
}

const MOST_BYTES_A_CHARACTER = 3
/** Characters of the longest numbers with their names. */
const NUMBERS = 100

interface Active {
  file: SpoolFile
  segment: Segment
  header: string
}

/**
 * Records get their counter here, when they are written and not when they are handed in: a commit that fails takes none,
 * so the counters of an epoch have no hole. After any failure the segment is given up and the next commit begins a
 * new one. A failed fdatasync is never tried again on the same file, because the kernel may have dropped the pages and
 * report success; and a torn tail is cut off, or else voided by the next segment's header.
 */
export function createWriter(
  log: Log,
  options: { epoch: number; segmentBytes: number; now: () => number },
): Writer {
  const { files, directory } = log
  let active: Active | undefined
  let counter = 0
  /** By lane, the number of its last record. */
  const last = new Map<string, number>()
  const room = createRoom()

  /**
   * One line a record, its numbers put in as the last members (where they also win over any of that name): the epoch, its
   * counter, and the counter of the record before it in its lane.
   */
  function numbered(header: string, records: readonly Numberless[], epoch: number) {
    const lanes = new Map<string, number>()
    const characters = records.reduce((sum, { text }) => sum + text.length + NUMBERS, header.length)
    const bytes = room(characters * MOST_BYTES_A_CHARACTER)
    let length = bytes.write(header)
    for (const [i, { text, lane }] of records.entries()) {
      const previous = lanes.get(lane) ?? last.get(lane) ?? 0
      const number = counter + i + 1
      lanes.set(lane, number)
      // In the place of its last brace.
      length += bytes.write(text, length) - 1
      const numbers = `,"epoch":${epoch},"counter":${number},"previous":${previous}}\n`
      length += bytes.write(numbers, length, 'latin1')
    }
    return { bytes: bytes.subarray(0, length), lanes }
  }

  async function begin(): Promise<Active> {
    const number = log.nextNumber++
    const header: Header = { spool: 1, epoch: options.epoch, at: options.now(), after: log.end }
    const line = `${JSON.stringify(header)}\n`
    const file = await files.create(segmentPath(directory, number))
    return { file, header: line, segment: { number, epoch: options.epoch, start: line.length, length: 0 } }
  }

  async function giveUp({ file, segment }: Active): Promise<void> {
    // Best effort each: what a broken disk refuses here, the next header makes good.
    await file.truncate(segment.length).catch(() => {})
    await file.close().catch(() => {})
    if (segment.length === 0) await files.remove(segmentPath(directory, segment.number)).catch(() => {})
  }

  async function closeFile(): Promise<void> {
    // All it holds is durable already, so an error at closing changes nothing.
    await active?.file.close().catch(() => {})
    active = undefined
  }

  async function write(records: readonly Numberless[]): Promise<void> {
    if (active && active.segment.length >= options.segmentBytes) await closeFile()
    active ??= await begin()
    const { file, segment, header } = active
    const isNew = segment.length === 0
    const { bytes, lanes } = numbered(isNew ? header : '', records, options.epoch)
    file.write(bytes)
    await file.datasync()
    if (isNew) await files.syncDirectory(directory)
    counter += records.length
    for (const [lane, number] of lanes) last.set(lane, number)
    extend(log, segment, { records: records.length, bytes: bytes.length, at: options.now() })
  }

  return {
    async commit(records) {
      try {
        await write(records)
      } catch (cause) {
        const failed = active
        active = undefined
        if (failed) await giveUp(failed)
        throw diskFailure(cause)
      }
    },
    close: closeFile,
  }
}
