import { closeSync, existsSync, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { nodeFiles, type SpoolFile, type SpoolFilePort } from '../file.ts'

interface Shadow {
  /** Where the file lies: under another name until its directory has been synced. */
  at: string
  /** How much of it the "disk" holds, less what was cut off since. */
  synced: number
  /** What only the memory of this process holds. */
  unsynced: Buffer
}

/**
 * A file system that makes `kill -9` as bad as a power cut: what was written or cut off but not yet synced lives in the
 * memory of this process and dies with it, and so does the name of a file whose directory was not synced. A real
 * `kill -9` spares both, because the page cache survives, and would prove nothing.
 *
 * With `honest: false`, fdatasync reports success without doing anything, and bytes reach the disk only when many have
 * gathered, as an operating system would write them back some time.
 */
export function forgetfulFiles({ honest = true } = {}): SpoolFilePort {
  const shadows = new Map<string, Shadow>()

  return {
    ...nodeFiles,
    async create(path) {
      if (existsSync(path)) throw Object.assign(new Error(`${path} exists`), { code: 'EEXIST' })
      const shadow: Shadow = { at: `${path}.unsynced`, synced: 0, unsynced: Buffer.alloc(0) }
      const descriptor = openSync(shadow.at, 'w', 0o600)
      shadows.set(path, shadow)
      return forgetfulFile(descriptor, shadow, honest)
    },
    async syncDirectory(directory) {
      for (const [path, shadow] of shadows) {
        if (shadow.at === path || !path.startsWith(`${directory}/`)) continue
        renameSync(shadow.at, path)
        shadow.at = path
      }
    },
    async read(path, position, into) {
      const shadow = shadows.get(path)
      if (!shadow) return nodeFiles.read(path, position, into)
      const end = position + into.length
      const onDisk = Math.max(0, Math.min(end, shadow.synced) - position)
      const inMemory = shadow.unsynced.subarray(
        Math.max(0, position - shadow.synced),
        Math.max(0, end - shadow.synced),
      )
      const { length } = await nodeFiles.read(shadow.at, position, into.subarray(0, onDisk))
      into.set(inMemory, length)
      return into.subarray(0, length + inMemory.length)
    },
    async remove(path) {
      await nodeFiles.remove(shadows.get(path)?.at ?? path)
      shadows.delete(path)
    },
  }
}

const WRITTEN_BACK_AT = 64 << 10

function forgetfulFile(descriptor: number, shadow: Shadow, honest: boolean): SpoolFile {
  /** A kill in the midst of this leaves a torn tail that nobody was told is durable, as on a real disk. */
  function merge(): void {
    ftruncateSync(descriptor, shadow.synced)
    for (let done = 0; done < shadow.unsynced.length; ) {
      done += writeSync(descriptor, shadow.unsynced, done, undefined, shadow.synced + done)
    }
    shadow.synced += shadow.unsynced.length
    shadow.unsynced = Buffer.alloc(0)
  }
  return {
    write(bytes) {
      shadow.unsynced = Buffer.concat([shadow.unsynced, bytes])
    },
    async datasync() {
      // Callers must be seen to wait, as for a real disk.
      await setTimeout(1)
      if (honest || shadow.unsynced.length > WRITTEN_BACK_AT) merge()
    },
    async truncate(length) {
      shadow.unsynced = shadow.unsynced.subarray(0, Math.max(0, length - shadow.synced))
      shadow.synced = Math.min(shadow.synced, length)
    },
    async close() {
      closeSync(descriptor)
    },
  }
}
