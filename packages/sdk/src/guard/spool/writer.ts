import { diskFailure } from './failure.ts'
import type { SpoolFile } from './file.ts'
import { extend, type Log } from './log.ts'
import { type Header, type Segment, segmentPath } from './segment.ts'

/** Puts records on disk, one commit at a time. */
export interface Writer {
  /** Resolves once all the records (JSON objects as text) are durable; rejects when none of them counts. */
  commit(records: readonly string[]): Promise<void>
  close(): Promise<void>
}

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

  async function write(records: readonly string[]): Promise<void> {
    if (active && active.segment.length >= options.segmentBytes) await closeFile()
    active ??= await begin()
    const { file, segment, header } = active
    const isNew = segment.length === 0
    const bytes = Buffer.from((isNew ? header : '') + numbered(records, options.epoch, counter))
    file.write(bytes)
    await file.datasync()
    if (isNew) await files.syncDirectory(directory)
    counter += records.length
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

/** One line a record, its epoch and counter put in as the last members (where they also win over any of that name). */
function numbered(records: readonly string[], epoch: number, counter: number): string {
  const before = `,"epoch":${epoch},"counter":`
  let text = ''
  for (const record of records) text += `${record.slice(0, -1)}${before}${++counter}}\n`
  return text
}
