import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sha256 } from '@valetkey/sdk/evidence'
import * as z from 'zod'

/** The last checkpoint of a log that this witness has cosigned. */
export const Witnessed = z.object({
  origin: z.string(),
  size: z.number().int(),
  root: z.string(),
  note: z.string(),
})
export type Witnessed = z.infer<typeof Witnessed>

/** What a witness remembers, one small file a log: it must never forget, and never see two of them in one place. */
export interface WitnessState {
  get(origin: string): Witnessed | undefined
  /** Durable when it returns. */
  put(witnessed: Witnessed): void
}

export function openWitnessState(directory: string): WitnessState {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const pathOf = (origin: string) => join(directory, `${sha256(origin).toString('hex')}.json`)
  return {
    get(origin) {
      try {
        return Witnessed.parse(JSON.parse(readFileSync(pathOf(origin), 'utf8')))
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        // A damaged memory is no memory: better no cosignature than a second history.
        throw cause
      }
    },
    put(witnessed) {
      const path = pathOf(witnessed.origin)
      const draft = openSync(`${path}.draft`, 'w', 0o600)
      try {
        // Whole or not at all: a full disk may take a part of a single write without a word.
        writeFileSync(draft, JSON.stringify(witnessed))
        fsyncSync(draft)
      } finally {
        closeSync(draft)
      }
      renameSync(`${path}.draft`, path)
      if (process.platform !== 'win32') {
        const parent = openSync(dirname(path), 'r')
        fsyncSync(parent)
        closeSync(parent)
      }
    },
  }
}
