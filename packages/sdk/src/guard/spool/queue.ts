import { unavailable } from './failure.ts'
import type { Log } from './log.ts'
import type { Numberless, Writer } from './writer.ts'

const NOTES_REST_MS = 25
const MOST_TURNS = 8
/** So many callers are company enough: who comes after them is heard while the disk writes these. */
const MANY = 64

/** A JSON object with at least one member, as text on one line; or what writes that text, once, when it is committed. */
export type Line = string | (() => string)

/** A record that waits. */
interface Waiting {
  line: Line
  lane: string
}

/** Records that wait for the disk, and the rule for when they go there. */
export interface Queue {
  append(record: object | Line, lane?: string): Promise<void>
  note(record: object | Line, lane?: string): void
  /** Notes that were given up. */
  lost(): number
  /** Commits what waits now. */
  flush(): Promise<void>
  /** Commits what waits, and takes nothing more. */
  close(): Promise<void>
}

/** What the next commit will write. Its callers share one promise: they are all durable together, or none is. */
interface Group {
  records: Waiting[]
  notes: Waiting[]
  /** How many callers wait for it. */
  awaited: number
  settled: PromiseWithResolvers<void>
}

/**
 * Group commit without timers: one commit runs, and all that comes in meanwhile goes into the next. A slow disk makes
 * larger groups, a fast one smaller, and nobody waits where nobody comes. A commit starts at the end of the event loop's
 * turn, so that calls which arrived together are written together; with many at once in the midst of it, so that the disk
 * does not wait for all of them, nor they for the disk. The texts of a group are written one right after another, when it
 * is committed: that is cheaper than each in the midst of a call.
 */
export function createQueue(
  log: Log,
  writer: Writer,
  options: { maxBytes: number; maxQueued: number; onCommit: () => void },
): Queue {
  let next = createGroup()
  /** Notes of failed commits, to be written with the next one. */
  let held: Numberless[] = []
  let lost = 0
  let isClosed = false
  let running: Promise<void> | undefined
  /** The commit that is on its way to the disk. */
  let writing: Promise<void> | undefined
  let resting: NodeJS.Timeout | undefined

  async function run(): Promise<void> {
    clearTimeout(resting)
    resting = undefined
    do {
      await gather()
      writing ??= begin()
      await writing
    } while (next.awaited > 0 || writing !== undefined)
    running = undefined
    if (next.records.length > 0) rest()
  }

  /** Lets turns of the event loop pass for as long as each brings callers: one commit for all costs what one for each does. */
  async function gather(): Promise<void> {
    for (let turn = 0; turn < MOST_TURNS && writing === undefined; turn++) {
      const before = next.awaited
      await endOfTurn()
      if (next.awaited === before) return
    }
  }

  function begin(): Promise<void> {
    const group = next
    next = createGroup()
    return commit(group)
  }

  /** Notes wait for company, for a moment. */
  function rest(): void {
    resting ??= setTimeout(() => {
      running ??= run()
    }, NOTES_REST_MS)
  }

  /** What cannot be written fails here, before the disk has anything of the group. */
  async function store({ records }: Group): Promise<void> {
    const written = records.map(write)
    await writer.commit(held.length === 0 ? written : [...held, ...written])
  }

  async function commit(group: Group): Promise<void> {
    try {
      await store(group)
      held = []
      // Before its callers are told, who may come again at once, and be many.
      writing = undefined
      group.settled.resolve()
      options.onCommit()
    } catch (failure) {
      writing = undefined
      hold(group.notes)
      group.settled.reject(failure)
    }
  }

  /** A note that cannot be written is given up: it would fail every commit to come. */
  function hold(notes: readonly Waiting[]): void {
    const all = [...held]
    for (const note of notes)
      try {
        all.push(write(note))
      } catch {
        lost++
      }
    held = all.slice(0, options.maxQueued)
    lost += all.length - held.length
  }

  function refusal(): Error | undefined {
    if (isClosed) return unavailable('The spool is closed: start the enforcement point again.')
    if (next.records.length >= options.maxQueued)
      return unavailable(
        `${options.maxQueued} records wait for the disk: it is too slow for this load, or hangs.`,
      )
    if (log.bytes >= options.maxBytes)
      return unavailable(
        `${options.maxBytes} bytes of records wait to be sent: check the connection to the authority, or raise the limit.`,
      )
    return undefined
  }

  return {
    append(record, lane = '') {
      const line = toLine(record)
      const refused = refusal()
      if (refused) return Promise.reject(refused)
      next.records.push({ line, lane })
      next.awaited++
      const { promise } = next.settled
      running ??= run()
      if (next.awaited >= MANY) writing ??= begin()
      return promise
    },
    note(record, lane = '') {
      const noted = { line: toLine(record), lane }
      // Beyond the limits of append, with a bound of its own: these calls have been released, so their number is limited.
      if (isClosed || next.notes.length >= options.maxQueued) {
        lost++
        return
      }
      next.notes.push(noted)
      next.records.push(noted)
      if (!running) rest()
    },
    lost: () => lost,
    async flush() {
      while (running !== undefined || next.records.length > 0) {
        running ??= run()
        await running
      }
    },
    async close() {
      isClosed = true
      await running
      if (next.records.length > 0) await run()
      clearTimeout(resting)
      if (held.length > 0) await commit(createGroup())
      lost += held.length
    },
  }
}

function createGroup(): Group {
  const settled = Promise.withResolvers<void>()
  // A group of notes has nobody who waits.
  settled.promise.catch(() => {})
  return { records: [], notes: [], awaited: 0, settled }
}

function endOfTurn(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}

/** What is at hand is looked at now, and what is still to be written when it is. */
function toLine(record: object | Line): Line {
  if (typeof record === 'function') return record as () => string
  return checkLine(typeof record === 'string' ? record : JSON.stringify(record))
}

/** A record that is written again after a failure is the same one. */
function write(waiting: Waiting): Numberless {
  if (typeof waiting.line === 'function') waiting.line = checkLine(waiting.line())
  return { text: waiting.line, lane: waiting.lane }
}

function checkLine(line: string): string {
  if (line.startsWith('{"') && line.endsWith('}') && !line.includes('\n')) return line
  throw new TypeError('A record is a JSON object with at least one member, written on one line.')
}
