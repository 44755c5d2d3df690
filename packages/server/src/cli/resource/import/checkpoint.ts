import { createHash } from 'node:crypto'
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import * as z from 'zod'

const Counts = z.object({
  rows: z.number().int(),
  created: z.number().int(),
  changed: z.number().int(),
  unchanged: z.number().int(),
  rejected: z.number().int(),
})
export type Counts = z.infer<typeof Counts>

/** How far an import has come: what is before `nextLine` is in, or was refused. */
const Checkpoint = z.object({
  version: z.literal(1),
  /** Which bytes, and where to: another file, or another authority, begins at the beginning. */
  source: z.string(),
  target: z.string(),
  nextLine: z.number().int(),
  /** Length of the file of refused rows at that moment. */
  rejectsBytes: z.number().int(),
  counts: Counts,
})
export type Checkpoint = z.infer<typeof Checkpoint>

export const checkpointPath = (file: string) => `${file}.import-state.json`

const PREFIX_BYTES = 65_536

/** What a file is known by: its size, when it was written, and the hash of its beginning. */
export async function sourceOf(file: string): Promise<{ source: string; size: number }> {
  const { size, mtimeMs } = await stat(file)
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(PREFIX_BYTES), 0, PREFIX_BYTES, 0)
    const hash = createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('base64url')
    return { source: `${size}.${Math.trunc(mtimeMs)}.${hash}`, size }
  } finally {
    await handle.close()
  }
}

/** Where an import of this file stopped; undefined where none did. */
export async function readCheckpoint(file: string): Promise<Checkpoint | undefined> {
  try {
    return Checkpoint.parse(JSON.parse(await readFile(checkpointPath(file), 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whole or not at all: a process may be killed at any moment. */
export async function writeCheckpoint(file: string, checkpoint: Checkpoint): Promise<void> {
  const path = checkpointPath(file)
  await writeFile(`${path}.new`, `${JSON.stringify(checkpoint)}\n`)
  await rename(`${path}.new`, path)
}

export function removeCheckpoint(file: string): Promise<void> {
  return rm(checkpointPath(file), { force: true })
}
