import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AttemptRecord } from '@valetkey/sdk/core'
import { createRecorder, type Recorder } from '../packages/sdk/src/guard/recorder.ts'
import { nodeFiles } from '../packages/sdk/src/guard/spool/file.ts'
import { openSpool, type SpoolFilePort } from '../packages/sdk/src/guard/spool/index.ts'
import { attempt } from '../tests/storage/audit-samples.ts'
import { sampleDatasync } from './disk.ts'
import { type Body, createRecordMill, RECORDS_A_SHIPMENT, type RecordMill } from './evidence/records.ts'
import { type Dialect, openStand, type Stand } from './evidence/stand.ts'
import type { Options, Result } from './main.ts'
import { cpuMicros, median } from './measure.ts'

const RECORDS = 10_000_000
const PORTION = 30_000
/** So many records fill a head of SQLite, which then becomes a segment; each shipment is an entry, too. */
const A_HEAD = 100_000 / (1 + 1 / RECORDS_A_SHIPMENT)
const CALLS = { 1: 200, 256: 4_096 }
const ROUNDS = 7

/** How fast an authority takes records in, whether that slows as they grow, what they take on disk; and what it costs where a call is decided. */
export async function run({ records = RECORDS }: Options): Promise<Result> {
  const point = await measurePoint()
  const sqlite = await measure('sqlite', records)
  const postgres = await measure('postgres', records)
  return {
    figures: {
      sqlite_per_s: sqlite.late.perSecond,
      postgres_per_s: postgres.late.perSecond,
      ratio_10m_to_1m: Math.min(
        sqlite.late.perSecond / sqlite.early.perSecond,
        postgres.late.perSecond / postgres.early.perSecond,
      ),
      bytes_sqlite: sqlite.bytes,
      bytes_postgres: postgres.bytes,
      ...point.figures,
    },
    stages: {
      records,
      early_records: sqlite.tenth,
      sqlite_per_s_early: sqlite.early.perSecond,
      postgres_per_s_early: postgres.early.perSecond,
      sqlite_cpu_us_early: sqlite.early.cpu,
      sqlite_cpu_us: sqlite.late.cpu,
      postgres_client_cpu_us: postgres.late.cpu,
      record_bytes: sqlite.late.recordBytes,
      ...point.stages,
      includes:
        'parsing, signatures and commitments of shipments, durable, signed logs and built segments; not HTTP',
    },
  }
}

/**
 * Speeds when a tenth is there and when all is. Each is measured from the middle of one head to that of the next: so it
 * has to build just the one segment that so many records fill.
 */
async function measure(dialect: Dialect, records: number) {
  const mill = createRecordMill(records)
  const stand = await openStand(dialect)
  const window = Math.min(A_HEAD, records / 4)
  const middle = (head: number) => Math.floor((head + 0.5) * window)
  const last = Math.floor(records / window - 0.5)
  const tenth = Math.max(1, Math.round(last / 10))
  try {
    await fill(stand, mill, middle(tenth - 1))
    const early = await speed(stand, mill, middle(tenth) - middle(tenth - 1))
    await fill(stand, mill, middle(last - 1) - middle(tenth))
    const late = await speed(stand, mill, middle(last) - middle(last - 1))
    await fill(stand, mill, records - middle(last))
    return { early, late, tenth: middle(tenth), bytes: (await stand.bytes()) / records }
  } finally {
    await stand.close()
  }
}

export async function fill(stand: Stand, mill: RecordMill, records: number): Promise<void> {
  for (let left = records; left > 0; ) {
    const bodies = mill.next(Math.min(left, PORTION))
    await stand.ingest(bodies, mill)
    left -= count(bodies)
  }
  await stand.settle()
}

/** What comes in is made before; until all of it is signed and built belongs to taking it in. */
async function speed(stand: Stand, mill: RecordMill, records: number) {
  const bodies = mill.next(records)
  const recordBytes = bodies.reduce((sum, { text }) => sum + text.length, 0) / records
  const from = performance.now()
  const cpu = await cpuMicros(async () => {
    await stand.ingest(bodies, mill)
    await stand.settle()
  })
  const seconds = (performance.now() - from) / 1000
  return { perSecond: records / seconds, cpu: cpu / records, recordBytes }
}

function count(bodies: readonly Body[]): number {
  return bodies.reduce((sum, { records }) => sum + records, 0)
}

/** The same files, of which nobody waits until they are on the disk. */
const notDurable: SpoolFilePort = {
  ...nodeFiles,
  create: async path => ({ ...(await nodeFiles.create(path)), datasync: () => Promise.resolve() }),
}

/** What a call waits more because its record is durable, in commits of this disk, and what the record costs. */
async function measurePoint(): Promise<{ figures: Record<string, number>; stages: Record<string, number> }> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-spool-'))
  const spools = {
    durable: await openSpool({ dir: join(directory, 'durable'), epoch: 1 }),
    not: await openSpool({ dir: join(directory, 'not'), epoch: 1, file: notDurable }),
  }
  const waits = {
    durable: { 1: [] as number[], 256: [] as number[] },
    not: { 1: [] as number[], 256: [] as number[] },
  }
  const [datasyncs, cpus]: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    datasyncs.push(...(await sampleDatasync(200, 1000)))
    for (const callers of [1, 256] as const)
      for (const kind of ['not', 'durable'] as const) {
        const cpu = await callAll(createRecorder(spools[kind]), callers, waits[kind][callers])
        if (callers === 256 && kind === 'durable') cpus.push(cpu)
      }
  }
  await spools.durable.close()
  await spools.not.close()
  await rm(directory, { recursive: true })
  const datasync = median(datasyncs)
  const added = (callers: 1 | 256) => median(waits.durable[callers]) - median(waits.not[callers])
  return {
    figures: {
      fdatasyncs_p50_1: added(1) / datasync,
      fdatasyncs_p50_256: added(256) / datasync,
      cpu_us: median(cpus),
    },
    stages: {
      fdatasync_p50_ms: datasync,
      append_p50_ms_1: median(waits.durable[1]),
      append_p50_ms_256: median(waits.durable[256]),
      not_durable_p50_ms_1: median(waits.not[1]),
      not_durable_p50_ms_256: median(waits.not[256]),
    },
  }
}

/** So many callers hand in one record after the other; gives the CPU of one. */
async function callAll(recorder: Recorder, callers: 1 | 256, waits: number[]): Promise<number> {
  const records = Array.from({ length: CALLS[callers] }, (_, n) => asMade(attempt(n)))
  let next = 0
  const caller = async () => {
    for (let record = records[next++]; record; record = records[next++]) {
      const from = performance.now()
      const made = record
      await recorder.append({ organization: made.organization, record: () => made })
      waits.push(performance.now() - from)
    }
  }
  const cpu = await cpuMicros(() => Promise.all(Array.from({ length: callers }, caller)))
  return cpu / records.length
}

/** A record as an enforcement point makes it: with a place for the commitment, in order, and no number, which its spool gives. */
function asMade(record: AttemptRecord): AttemptRecord {
  const members = Object.entries({ ...record, commitment: undefined, writer: undefined })
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1))) as unknown as AttemptRecord
}
