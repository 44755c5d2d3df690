import { readFile } from 'node:fs/promises'
import { AppError } from '@valetkey/sdk/core'
import { openAppendFile } from './append-file.ts'

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
  /** What is on the disk. */
  get(origin: string): Remembered | undefined
  all(): ReadonlyMap<string, Remembered>
  /** Durable when it resolves. Of several at once each is written whole, in the order in which they came. */
  put(entries: readonly (Remembered & { origin: string })[]): Promise<void>
  close(): Promise<void>
}

const MOST_LINES = 20_000
const LINE = /^(\S+) (\d{1,16}) ([A-Za-z0-9+/]{43}=)$/

/** Without a path nothing outlives the process. */
export async function openMemory(path: string | undefined): Promise<CheckpointMemory> {
  const known = new Map<string, Remembered>()
  let lines = path === undefined ? 0 : await load(path, known)
  const file = path === undefined ? undefined : await openAppendFile(path)
  let last: Promise<unknown> = Promise.resolve()

  async function put(entries: readonly (Remembered & { origin: string })[]): Promise<void> {
    try {
      await file?.append(entries.map(({ origin, ...each }) => lineOf(origin, each)).join(''))
      for (const { origin, size, root } of entries) known.set(origin, { size, root })
      lines += entries.length
      if (lines <= MOST_LINES + known.size) return
      await file?.replace([...known].map(([origin, each]) => lineOf(origin, each)).join(''))
      lines = known.size
    } catch (cause) {
      // Nothing is signed that cannot be remembered.
      throw new AppError('audit.unavailable', 'What is signed cannot be written down.', { cause })
    }
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    const next = last.then(work)
    last = next.catch(() => undefined)
    return next
  }

  return {
    get: origin => known.get(origin),
    all: () => known,
    put: entries => inTurn(() => put(entries)),
    close: () => inTurn(async () => file?.close()),
  }
}

function lineOf(origin: string, { size, root }: Remembered): string {
  return `${origin} ${size} ${root.toString('base64')}\n`
}

/** The last line of each log counts. One that was torn by a crash was never acted on. */
async function load(path: string, known: Map<string, Remembered>): Promise<number> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
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
