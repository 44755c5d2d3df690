import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A text that grows at its end, line by line; what was written is on the disk when a promise resolves. One at a time. */
export interface AppendFile {
  append(lines: string): Promise<void>
  /** Puts another text in its place, whole or not at all. */
  replace(lines: string): Promise<void>
  close(): Promise<void>
}

export async function openAppendFile(path: string): Promise<AppendFile> {
  let file = await open(path, 'a', 0o600)
  // Whatever a crash or a full disk left of a last line must not run into the next one.
  let isTorn = true
  return {
    async append(lines) {
      const before = isTorn ? '\n' : ''
      isTorn = true
      await file.appendFile(before + lines)
      await file.sync()
      isTorn = false
    },
    async replace(lines) {
      const draft = `${path}.draft`
      const fresh = await open(draft, 'w', 0o600)
      try {
        await fresh.appendFile(lines)
        await fresh.sync()
        await rename(draft, path)
      } catch (error) {
        await fresh.close()
        throw error
      }
      await file.close()
      file = fresh
      if (process.platform !== 'win32') await syncDirectory(dirname(path))
    },
    close: () => file.close(),
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
