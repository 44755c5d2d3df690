import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseCheckpoint, partNote } from '@valetkey/sdk/evidence'
import { available } from '../available.ts'
import type { Batch } from '../entry.ts'
import type { Ingested } from '../ingest.ts'
import type { GrownLog, Ledger, LogState } from '../ledger.ts'
import type { Expiry } from '../retention/expiry.ts'
import { createRounds } from '../rounds.ts'
import { type EvidenceFile, openEvidenceFile } from './file.ts'
import { startThread } from './thread.ts'

export interface SqliteOptions {
  /** The main file, or `:memory:`; segments lie in a directory beside it. */
  path: string
  secret: string
  now(): number
  headRecords: number
  onError(error: unknown): void
}

/**
 * The evidence in files. Threads do the work: one writes, one answers questions, and one that lets all others go first
 * builds segments, so that neither a slow disk nor a long question holds up calls. `:memory:` stays in this thread.
 */
export async function openSqliteLedger(options: SqliteOptions): Promise<Ledger> {
  const { path, secret, headRecords, onError } = options
  const settings = { path, secret, headRecords }
  const isMemory = path === ':memory:'
  if (!isMemory) await available(mkdir(dirname(path), { recursive: true, mode: 0o700 }))
  const writer = isMemory
    ? openEvidenceFile({ ...settings, access: 'write' }, options.now)
    : startThread({ ...settings, access: 'write' })
  // Its first answer says that the file is open and its tables are there.
  await available(writer.logs())
  const reader = isMemory ? writer : startThread({ ...settings, access: 'read' })
  let isClosing = false
  const builds = createRounds(async () => {
    if (isMemory || isClosing) return
    const heads = await writer.waitingHeads()
    await inBackground(heads, async (builder, head) => writer.publish(await builder.build(head)))
  }, onError)
  async function inBackground(
    numbers: readonly number[],
    work: (builder: EvidenceFile, number: number) => Promise<void>,
  ): Promise<void> {
    if (numbers.length === 0) return
    const builder = startThread({ ...settings, access: 'read', isBackground: true })
    try {
      for (const number of numbers) await work(builder, number)
    } finally {
      await builder.close()
    }
  }
  async function expire(expiries: readonly Expiry[]): Promise<number> {
    let gone = 0
    for (let some = -1; some !== 0; gone += some) some = await writer.expireInHeads(expiries)
    const segments = isMemory ? [] : await reader.expiring(expiries)
    await inBackground(segments, async (builder, segment) => {
      const rebuilt = await builder.rebuild(segment, expiries)
      await writer.replace(rebuilt)
      gone += rebuilt.gone
    })
    return gone
  }
  /** Logs whose tree may not be signed as it is, by name; undefined until all were looked at. */
  let unsigned: Set<string> | undefined
  builds.wake()
  const queue = createQueue(batches => writer.ingest(batches))
  return {
    async ingest(batches) {
      const results = await available(Promise.all(batches.map(queue)))
      builds.wake()
      return results
    },
    append: entries => available(writer.append(entries)),
    missing: () => available(writer.missing()),
    async grow() {
      const grown = new Map<number, GrownLog>()
      for (let isDone = false; !isDone; ) {
        const step = await available(writer.grow())
        for (const { log, from } of step.grown) {
          unsigned?.add(log.name)
          grown.set(log.id, { log, from: grown.get(log.id)?.from ?? from })
        }
        isDone = step.isDone
      }
      return [...grown.values()]
    },
    logs: names => available(writer.logs(names)),
    async unsigned() {
      const found = unsignedOf(await available(writer.logs(unsigned && [...unsigned])))
      unsigned = new Set(found.map(({ name }) => name))
      return found
    },
    keepNotes: notes => available(writer.keepNotes(notes)),
    anchors: log => available(reader.anchors(log)),
    tile: (log, level, index) => available(reader.tile(log, level, index)),
    entries: (log, from, to) => available(reader.entries(log, from, to)),
    // Never while a segment is being built from what is to be erased.
    erase: erasure => available(builds.apart(() => writer.erase(erasure))),
    // Nor while one is being built from what has to go.
    expire: expiries => available(builds.apart(() => expire(expiries))),
    // There is one process, which does both in turn.
    standStill: async () => undefined,
    beginGeneration: name => available(writer.beginGeneration(name)),
    ask: question => available(reader.ask(question)),
    summarize: question => available(reader.summarize(question)),
    lookUp: id => available(reader.lookUp(id)),
    async close() {
      // What is being built is finished; the rest is built at the next start.
      isClosing = true
      await builds.round().catch(onError)
      if (reader !== writer) await reader.close()
      await writer.close()
    },
  }
}

/** Of each name the newest generation counts: the others ended where they are. */
function unsignedOf(logs: readonly LogState[]): LogState[] {
  const newest = new Map(logs.map(log => [log.name, log]))
  return [...newest.values()].filter(({ size, note }) => size > sizeIn(note))
}

function sizeIn(note: string | null): number {
  return note === null ? 0 : parseCheckpoint(partNote(note).text).size
}

/** What arrives while a transaction is being committed goes into the next one, together. */
function createQueue(ingest: (batches: Batch[]) => Promise<Ingested[]>): (batch: Batch) => Promise<Ingested> {
  let waiting: { batch: Batch; settled: PromiseWithResolvers<Ingested> }[] = []
  let running = false

  async function run(): Promise<void> {
    running = true
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        const results = await ingest(group.map(({ batch }) => batch))
        for (const [i, { settled }] of group.entries()) settled.resolve(results[i] as Ingested)
      } catch (error) {
        for (const { settled } of group) settled.reject(error)
      }
    }
    running = false
  }

  return batch => {
    const settled = Promise.withResolvers<Ingested>()
    waiting.push({ batch, settled })
    if (!running) void run()
    return settled.promise
  }
}
