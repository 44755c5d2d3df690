import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '@valetkey/sdk/core'

/** What is remembered of a log outside the database: the largest tree that was ever signed here. */
export interface Remembered {
  size: number
  root: Buffer
}

/**
 * The checkpoints that this node has signed, in a file of its own. A database that was restored from an older copy is
 * found out by it: what was signed once can be signed over by no other history.
 */
export interface CheckpointMemory {
  get(origin: string): Remembered | undefined
  all(): ReadonlyMap<string, Remembered>
  /** Durable when it returns. */
  put(entries: readonly (Remembered & { origin: string })[]): void
  close(): void
}

const MOST_LINES = 20_000
const LINE = /^(\S+) (\d{1,16}) ([A-Za-z0-9+/]{43}=)$/

/** Without a path nothing outlives the process. */
export function openMemory(path: string | undefined): CheckpointMemory {
  const known = new Map<string, Remembered>()
  let lines = 0
  let descriptor: number | undefined
  // Whatever a crash or a full disk left of a last line must not run into the next one.
  let isTorn = true
  if (path !== undefined) {
    lines = load(path, known)
    descriptor = openSync(path, 'a', 0o600)
  }

  function rewrite(file: string): void {
    const draft = `${file}.draft`
    const fresh = openSync(draft, 'w', 0o600)
    writeFileSync(fresh, [...known].map(([origin, each]) => lineOf(origin, each)).join(''))
    fsyncSync(fresh)
    closeSync(fresh)
    renameSync(draft, file)
    if (process.platform !== 'win32') syncDirectory(dirname(file))
    if (descriptor !== undefined) closeSync(descriptor)
    descriptor = openSync(file, 'a', 0o600)
    lines = known.size
  }

  return {
    get: origin => known.get(origin),
    all: () => known,
    put(entries) {
      if (descriptor !== undefined) {
        const text = entries.map(({ origin, ...each }) => lineOf(origin, each)).join('')
        const before = isTorn ? '\n' : ''
        isTorn = true
        append(descriptor, before + text)
        isTorn = false
        lines += entries.length
      }
      for (const { origin, size, root } of entries) known.set(origin, { size, root })
      if (path !== undefined && lines > MOST_LINES + known.size) rewrite(path)
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}

/** Nothing is signed that cannot be remembered. */
function append(descriptor: number, text: string): void {
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } catch (cause) {
    throw new AppError('audit.unavailable', 'What is signed cannot be written down.', { cause })
  }
}

function lineOf(origin: string, { size, root }: Remembered): string {
  return `${origin} ${size} ${root.toString('base64')}\n`
}

/** The last line of each log counts. One that was torn by a crash was never acted on. */
function load(path: string, known: Map<string, Remembered>): number {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw cause
  }
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  for (const line of whole) {
    const [, origin, size, root] = LINE.exec(line) ?? []
    if (origin !== undefined)
      known.set(origin, { size: Number(size), root: Buffer.from(root ?? '', 'base64') })
  }
  return whole.length
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
