import { createHash } from 'node:crypto'
import type { AdminApi, Parsed } from '@valetkey/sdk/contract'
import { AppError, isoTime, type JsonObject } from '@valetkey/sdk/core'
import {
  type BundleAbout,
  type BundleEntry,
  bundleHead,
  consistencyLine,
  ERASED,
  endLine,
  endText,
  entryLine,
  parseCheckpoint,
  partNote,
} from '@valetkey/sdk/evidence'
import type { Db } from '../../store/index.ts'
import { hashOf } from '../bundle.ts'
import { KIND } from '../entry.ts'
import type { Ledger, LogEntry, LogState } from '../ledger.ts'
import type { Logs } from '../log/logs.ts'
import { readQuestion } from '../question/asked.ts'
import { resolveCalls } from '../question/resolve.ts'
import { only, type RecordFilter } from '../question/rows.ts'
import { findLog } from './find-log.ts'

export type ExportQuery = Omit<Parsed<AdminApi['evidence']['export']>, 'zone'> & { zone?: string }

export interface ExportParts {
  ledger: Ledger
  logs: Logs
  db: Db
  now(): number
}

const ENTRIES_A_TIME = 2_048
/** What a question may export with a proof each; more than that is exported whole. */
const MOST_PROVEN = 100_000

/**
 * Writes an evidence bundle: a whole log, or the records that a question finds, each with its proof; and all that is
 * needed to verify it without this authority. `actor` is who asked.
 */
export async function* exportEvidence(
  parts: ExportParts,
  query: ExportQuery,
  actor: string,
): AsyncGenerator<string> {
  const { ledger, logs, db, now } = parts
  const log = await findLog(logs, db, query)
  const { note, size } = await newestOf(logs, log)
  const filter = await filterOf(parts, query, log)
  const about: BundleAbout = {
    ...{ origin: logs.originOf(log), log: log.name, isWhole: filter === undefined, size },
    ...{ query: saidOf(query), madeAt: isoTime(now()), madeBy: actor },
  }
  const older = (await ledger.anchors(log.id)).filter(each => sizeOf(each) < size)
  const digest = createHash('sha256')
  let count = 0
  function* written(text: string): Generator<string> {
    digest.update(text)
    yield text
  }
  const [keys, statements, witnesses] = [logs.vkeys(log), logs.statements(), logs.witnesses]
  const checkpoints = [...older, note]
  yield* written(bundleHead({ about, keys, statements, witnesses, points: [], checkpoints }))
  if (!about.isWhole)
    for (const from of new Set(older.map(sizeOf)))
      yield* written(consistencyLine(from, size, await logs.trees.consistency(log.id, from, size)))
  const points = createPointLines(db)
  const found = filter ? await indexesOf(ledger, log, filter, size) : undefined
  for await (const entries of found ? proven(parts, log, found, size) : everything(parts, log, size)) {
    count += entries.length
    yield* written((await points.linesFor(entries)) + entries.map(entryLine).join(''))
  }
  yield endLine(logs.signText(log, endText(digest.digest(), count)))
}

/** Up to which checkpoint is exported: where witnesses are asked, the newest that one of them has seen. */
async function newestOf(logs: Logs, log: LogState): Promise<{ note: string; size: number }> {
  const note = (logs.witnesses.length > 0 ? log.cosigned : null) ?? log.note
  if (note === null) throw new AppError('audit.unavailable', 'Nothing of this log is signed yet. Try again.')
  return { note: await logs.renewed(log, note), size: sizeOf(note) }
}

function sizeOf(note: string): number {
  return parseCheckpoint(partNote(note).text).size
}

/** What the bundle says was asked for. */
function saidOf(query: ExportQuery): JsonObject {
  return JSON.parse(JSON.stringify(query)) as JsonObject
}

/** Undefined where everything is asked for. */
async function filterOf(
  { db, now }: ExportParts,
  query: ExportQuery,
  log: LogState,
): Promise<RecordFilter | undefined> {
  const { organization: _organization, log: _log, generation: _generation, zone, ...filters } = query
  if (Object.values(filters).every(value => value === undefined)) return undefined
  const question = readQuestion({ ...filters, ...(zone && { zone }), organization: log.name }, now())
  return { ...(await resolveCalls(db, question)), logs: only(log.name) }
}

async function* everything({ ledger }: ExportParts, { id }: LogState, size: number) {
  for (let from = 0; from < size; from += ENTRIES_A_TIME) {
    const entries = await ledger.entries(id, from, Math.min(size, from + ENTRIES_A_TIME))
    yield entries.map((each, i): BundleEntry => toBundleEntry(from + i, each))
  }
}

async function* proven(
  { ledger, logs }: ExportParts,
  { id }: LogState,
  indexes: readonly number[],
  size: number,
) {
  for (let at = 0; at < indexes.length; at += 100) {
    const entries: BundleEntry[] = []
    for (const index of indexes.slice(at, at + 100)) {
      const [entry] = await ledger.entries(id, index, index + 1)
      if (!entry) throw new Error('unreachable: the record was found a moment ago')
      entries.push({ ...toBundleEntry(index, entry), proof: await logs.trees.inclusion(id, index, size) })
    }
    yield entries
  }
}

function toBundleEntry(index: number, { entry, data }: LogEntry): BundleEntry {
  return {
    ...{ index, hash: hashOf(entry) },
    leaf: 'leaf' in entry ? entry.leaf : null,
    data: data && { text: data.data, key: data.key },
  }
}

/** The calls that a question finds, how they ended, and the erasures that could have touched them, in their order. */
async function indexesOf(
  ledger: Ledger,
  log: LogState,
  filter: RecordFilter,
  size: number,
): Promise<number[]> {
  const indexes = new Set<number>()
  const add = (row: { log: number; index: number }) => {
    if (row.log === log.id && row.index < size) indexes.add(row.index)
  }
  for await (const row of allRows(ledger, filter)) {
    add(row)
    if (!('leaf' in row.entry)) continue
    const { id } = JSON.parse(row.entry.leaf) as { id: string }
    for (const each of await ledger.lookUp(id)) add(each)
    if (indexes.size > MOST_PROVEN)
      throw new AppError(
        'request.invalid',
        `More than ${MOST_PROVEN} records fit. Narrow the question, or export the whole log.`,
      )
  }
  const erasures: RecordFilter = {
    ...{ kinds: [KIND.event], logs: only(log.name), named: { action: only(ERASED) } },
  }
  for await (const row of allRows(ledger, erasures)) add(row)
  return [...indexes].sort((a, b) => a - b)
}

async function* allRows(ledger: Ledger, filter: RecordFilter) {
  let after: Awaited<ReturnType<Ledger['ask']>>['next'] | undefined
  do {
    const { rows, next } = await ledger.ask({ filter, limit: 200, ...(after && { after }) })
    yield* rows
    after = next
  } while (after)
}

/** The public keys of enforcement points, each before the first record of it. */
function createPointLines(db: Db) {
  const known = new Set<string>()
  return {
    async linesFor(entries: readonly BundleEntry[]): Promise<string> {
      const named = entries.flatMap(({ leaf }) => /"point":"(pnt_[\w-]{1,60})"/.exec(leaf ?? '')?.[1] ?? [])
      const fresh = [...new Set(named)].filter(id => !known.has(id))
      if (fresh.length === 0) return ''
      for (const id of fresh) known.add(id)
      const rows = await db
        .selectFrom('enforcementPoint')
        .select(['id', 'publicJwk'])
        .where('id', 'in', fresh)
        .execute()
      return rows.map(({ id, publicJwk }) => `point\t${id}\t${publicJwk}\n`).join('')
    },
  }
}
