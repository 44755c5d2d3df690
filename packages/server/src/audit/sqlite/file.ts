import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Batch, Entry } from '../entry.ts'
import type { Ingested } from '../ingest.ts'
import type { GrownLog, KeptNote, LogEntry, LogState } from '../ledger.ts'
import type { Erasure } from '../proof/erase.ts'
import type { Answer, FoundRecord, Question, Summary, SummaryQuestion } from '../question/rows.ts'
import type { Expiry } from '../retention/expiry.ts'
import { createTerms } from '../terms.ts'
import type { View } from './bundles.ts'
import { completeTiles } from './complete-tiles.ts'
import { openMain } from './connection.ts'
import { eraseData } from './erase.ts'
import {
  expireInHeads,
  expiringSegments,
  numberExpiries,
  type RebuiltSegment,
  rebuildSegment,
  replaceSegment,
} from './expire.ts'
import { beginGeneration, growLogs, keepNotes, listAnchors, listLogs, readEntries, readTile } from './logs.ts'
import { createReader } from './reader.ts'
import { type BuiltSegment, buildSegment, publishSegment } from './segment-build.ts'
import { createOpenSegments, listHeads, listSegments, readSegments } from './segments.ts'
import { createWriter } from './writer.ts'

/** What one thread does with the evidence; every method blocks it while the disk works. */
export interface EvidenceFile {
  ingest(batches: readonly Batch[]): Promise<Ingested[]>
  append(entries: readonly Entry[]): Promise<void>
  missing(): Promise<number>
  grow(): Promise<{ grown: GrownLog[]; isDone: boolean }>
  logs(names?: readonly string[]): Promise<LogState[]>
  keepNotes(notes: readonly KeptNote[]): Promise<void>
  anchors(log: number): Promise<string[]>
  tile(log: number, level: number, number: number): Promise<Buffer>
  entries(log: number, from: number, to: number): Promise<LogEntry[]>
  erase(erasure: Erasure): Promise<void>
  beginGeneration(name: string): Promise<LogState>
  /** Takes a portion of what has to go out of the heads; gives how many records that were. */
  expireInHeads(expiries: readonly Expiry[]): Promise<number>
  /** Segments that hold something which has to go. */
  expiring(expiries: readonly Expiry[]): Promise<number[]>
  rebuild(segment: number, expiries: readonly Expiry[]): Promise<RebuiltSegment>
  replace(rebuilt: RebuiltSegment): Promise<void>
  ask(question: Question): Promise<Answer>
  summarize(question: SummaryQuestion): Promise<Summary>
  lookUp(id: string): Promise<FoundRecord[]>
  /** Heads that are full and wait to become segments, oldest first. */
  waitingHeads(): Promise<number[]>
  build(head: number): Promise<BuiltSegment>
  publish(built: BuiltSegment): Promise<void>
  close(): Promise<void>
}

export interface FileSettings {
  path: string
  access: 'write' | 'read'
  /** Keeps terms of this evidence apart from those of any other. */
  secret: string
  /** Records in a head before it becomes a segment. */
  headRecords: number
}

/** Opens the evidence for one thread; of all that have it open, only one may write. */
export function openEvidenceFile(settings: FileSettings, now: () => number = Date.now): EvidenceFile {
  const { path, access, secret } = settings
  const directory = join(dirname(path), 'segments')
  const isMemory = path === ':memory:'
  if (!isMemory) mkdirSync(directory, { recursive: true, mode: 0o700 })
  const database = openMain(path, access)
  const opened = createOpenSegments(directory)
  const reader = createReader(database, opened, createTerms(secret))
  const headRecords = isMemory ? Number.POSITIVE_INFINITY : settings.headRecords
  const writer = access === 'write' ? createWriter(database, opened, { now, headRecords }) : undefined
  if (writer && !isMemory) removeStrays(directory, new Set(listSegments(database).map(({ file }) => file)))
  const view = (): View => ({ database, opened, heads: listHeads(database) })
  if (writer) completeTiles(view())
  const writing = () => {
    if (!writer) throw new Error('This connection only reads.')
    return writer
  }

  // One at a time: a question on this connection must not see a transaction that is not committed.
  let last: Promise<unknown> = Promise.resolve()
  function inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const next = last.then(work)
    last = next.catch(() => undefined)
    return next
  }
  /** A head may become a segment at any time; who began to look into it looks to the end. */
  function atOneMoment<T>(work: (view: View) => T): Promise<T> {
    return inTurn(() => readSegments(() => database.transaction(() => work(view()))()))
  }
  return {
    ingest: batches => inTurn(() => writing().ingest(batches)),
    append: entries => inTurn(() => writing().append(entries)),
    missing: () =>
      inTurn(() => {
        const text = 'select coalesce(sum(last - first + 1), 0) as missing from gap'
        return database.prepare<[], { missing: number }>(text).get()?.missing ?? 0
      }),
    grow: () => inTurn(() => growLogs(view(), writing().fresh)),
    logs: names => inTurn(() => listLogs(database, names)),
    keepNotes: notes => inTurn(() => keepNotes(database, notes)),
    anchors: log => inTurn(() => listAnchors(database, log)),
    tile: (log, level, number) => inTurn(() => readTile(database, log, level, number)),
    entries: (log, from, to) => atOneMoment(view => readEntries(view, log, from, to)),
    erase: erasure =>
      inTurn(() => {
        eraseData(database, directory, erasure)
        writing().reload()
      }),
    expireInHeads: expiries =>
      inTurn(() => {
        const gone = expireInHeads(database, numberExpiries(database, expiries))
        if (gone > 0) writing().reload()
        return gone
      }),
    expiring: expiries =>
      inTurn(() => expiringSegments(database, opened, numberExpiries(database, expiries))),
    rebuild: (segment, expiries) =>
      inTurn(() => rebuildSegment(database, directory, segment, numberExpiries(database, expiries))),
    replace: rebuilt =>
      inTurn(() => {
        replaceSegment(database, directory, rebuilt)
        writing().reload()
      }),
    beginGeneration: name =>
      inTurn(() => {
        const begun = beginGeneration(database, name)
        writing().reload()
        return begun
      }),
    ask: question => inTurn(() => reader.ask(question)),
    summarize: question => inTurn(() => reader.summarize(question)),
    lookUp: id => inTurn(() => reader.lookUp(id)),
    waitingHeads: () => inTurn(() => (isMemory ? [] : listHeads(database).slice(0, -1))),
    build: head => inTurn(() => buildSegment(path, directory, head)),
    publish: built =>
      inTurn(() => {
        publishSegment(database, built)
        writing().reload()
      }),
    close: () =>
      inTurn(() => {
        opened.close()
        database.close()
      }),
  }
}

/** Files that nothing refers to: a crash came between building a segment and putting it in its place, or after it was replaced. */
function removeStrays(directory: string, known: ReadonlySet<string>): void {
  for (const file of readdirSync(directory)) if (!known.has(file)) rmSync(join(directory, file))
}
