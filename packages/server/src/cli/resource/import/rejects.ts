import { type FileHandle, open, rm } from 'node:fs/promises'
import type { Json } from '@valetkey/sdk/core'

/** A row that was refused, and why. */
export interface Reject {
  line: number
  code: string
  detail: string
  row?: Json
}

/** How many are shown where people look; all of them are in the file. */
const SHOWN = 20

export const rejectsPath = (file: string) => `${file}.rejects.ndjson`

/** Refused rows, as a file beside the one that they come from and as `FILE:LINE: reason` lines. */
export interface Rejects {
  readonly bytes: number
  add(rejects: readonly Reject[]): Promise<void>
  close(): Promise<void>
}

/** Goes on after so many bytes of what is there; what an interrupted step wrote behind them is cut off. */
export async function openRejects(
  file: string,
  from: { bytes: number; count: number },
  show: (line: string) => void,
): Promise<Rejects> {
  const path = rejectsPath(file)
  let { bytes, count } = from
  let handle: FileHandle | undefined
  if (bytes === 0) await rm(path, { force: true })
  else {
    handle = await open(path, 'r+')
    await handle.truncate(bytes)
  }
  return {
    get bytes() {
      return bytes
    },
    async add(rejects) {
      if (rejects.length === 0) return
      const text = rejects.map(reject => `${JSON.stringify(reject)}\n`).join('')
      handle ??= await open(path, 'w')
      const { bytesWritten } = await handle.write(Buffer.from(text), 0, undefined, bytes)
      bytes += bytesWritten
      for (const { line, detail } of rejects) {
        count += 1
        if (count <= SHOWN) show(`${file}:${line}: ${detail}`)
        if (count === SHOWN + 1) show(`Further refused rows are only in ${path}.`)
      }
    },
    async close() {
      await handle?.close()
    },
  }
}
