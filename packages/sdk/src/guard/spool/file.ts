import { close, fdatasync, ftruncate, open as openCallback, writeSync } from 'node:fs'
import { mkdir, open, readdir, rename, unlink, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { promisify } from 'node:util'

/** A file that only grows, as the spool needs it. */
export interface SpoolFile {
  /** Hands bytes to the operating system, all of them or an error; they may vanish until `datasync` has resolved. */
  write(bytes: Uint8Array): void
  /** Resolves once all that was written before survives a crash. */
  datasync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/** What the spool needs of a file system; a test puts one here that fails, or that forgets what was not synced. */
export interface SpoolFilePort {
  makeDirectory(path: string): Promise<void>
  /** Makes the names in a directory durable: a synced file without a name is lost too. */
  syncDirectory(path: string): Promise<void>
  list(directory: string): Promise<string[]>
  /** Creates a file; one that exists already is an error. */
  create(path: string): Promise<SpoolFile>
  /** Fills `into` with what is at `position`, and gives what it filled: less than all only at the end of the file. */
  read(path: string, position: number, into: Uint8Array): Promise<Uint8Array>
  /** Puts a whole small file in place at once; after a crash it may be the old one again. */
  replace(path: string, text: string): Promise<void>
  remove(path: string): Promise<void>
}

/** The real file system. Records hold the arguments of calls, so only the owner may read them. */
export const nodeFiles: SpoolFilePort = {
  async makeDirectory(path) {
    const first = await mkdir(path, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    const top = dirname(resolve(first))
    for (let made = resolve(path); made !== top; made = dirname(made)) await syncDirectory(dirname(made))
  },
  syncDirectory,
  list: directory => readdir(directory),
  create,
  async read(path, position, into) {
    const file = await open(path, 'r')
    try {
      let done = 0
      for (let got = -1; done < into.length && got !== 0; done += got) {
        got = (await file.read(into, done, into.length - done, position + done)).bytesRead
      }
      return into.subarray(0, done)
    } finally {
      await file.close()
    }
  },
  async replace(path, text) {
    await writeFile(`${path}.new`, text, { mode: 0o600 })
    await rename(`${path}.new`, path)
  },
  remove: path => unlink(path),
}

// Bare descriptors: a FileHandle costs every commit another promise and object.
const openDescriptor = promisify(openCallback) as (
  path: string,
  flags: string,
  mode: number,
) => Promise<number>
const syncDescriptor = promisify(fdatasync)
const cutDescriptor = promisify(ftruncate)
const closeDescriptor = promisify(close)

/** So much of a file is on the disk ahead of what is written into it. */
const AHEAD = Buffer.alloc(1 << 20)

/**
 * A file is filled with zeros ahead. To overwrite them changes bytes and nothing else, where to grow a file changes its
 * length and its list of blocks, which would have to be made durable as well: a quarter of each commit.
 */
async function create(path: string): Promise<SpoolFile> {
  const descriptor = await openDescriptor(path, 'wx', 0o600)
  let length = 0
  let reserved = 0
  return {
    // In place, because this only copies into the page cache: the wait for the disk is in datasync, on the thread pool.
    // One hop to the pool instead of two saves a third of a commit's CPU.
    write(bytes) {
      writeAll(descriptor, bytes, length)
      length += bytes.length
      if (length <= reserved) return
      reserved = length + AHEAD.length
      // On a full disk there is less ahead, or nothing; what was to be written is.
      try {
        writeAll(descriptor, AHEAD, length)
      } catch {}
    },
    datasync: () => syncDescriptor(descriptor),
    async truncate(to) {
      length = Math.min(length, to)
      await cutDescriptor(descriptor, to)
    },
    async close() {
      await cutDescriptor(descriptor, length).catch(() => {})
      await closeDescriptor(descriptor)
    },
  }
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done)
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot sync a directory; NTFS journals its entries.
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
