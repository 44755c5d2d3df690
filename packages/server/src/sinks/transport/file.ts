import { open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Format, toLine } from '../format/index.ts'
import type { SinkSettings, Transport } from './transport.ts'

const MOST_BYTES = 256 * 1024
const NEWLINE = 10

/**
 * Appends lines to a file, which is on the disk when it resolves. The file is opened anew each time, so it may be moved
 * away; a line that a killed process has left unfinished is ended first, and comes again whole.
 */
export function createFileTransport({ url, format }: SinkSettings): Transport {
  const path = fileURLToPath(url)
  return async records => {
    try {
      const file = await open(path, 'a+', 0o600)
      try {
        const lines = records.map(record => `${toLine(record, format as Format, MOST_BYTES)}\n`)
        const { size } = await file.stat()
        const last = Buffer.alloc(1)
        if (size > 0) await file.read(last, 0, 1, size - 1)
        await file.appendFile(`${size > 0 && last[0] !== NEWLINE ? '\n' : ''}${lines.join('')}`)
        await file.datasync()
      } finally {
        await file.close()
      }
      return { ok: true }
    } catch (error) {
      return { ok: false, reason: `The file cannot be written: ${(error as NodeJS.ErrnoException).code}.` }
    }
  }
}
