import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRecorder } from '../packages/sdk/src/guard/recorder.ts'
import { openSpool } from '../packages/sdk/src/guard/spool/index.ts'
import { attempt } from '../tests/storage/audit-samples.ts'
import { sampleDatasync } from './disk.ts'
import { type Body, createRecordMill, type RecordMill } from './evidence/records.ts'
import { type Dialect, openStand, type Stand } from './evidence/stand.ts'
import type { Options, Result } from './main.ts'
import { median } from './measure.ts'

const RECORDS = 10_000_000
/** So many are taken in between two looks at the clock: what they are made of is made before. */
const PORTION = 30_000
const MEASURED = 600_000
const CALLS = 4_000
const ROUNDS = 5

/** How fast an authority takes records in, whether that slows as they grow, what they take on disk; and what it costs where a call is decided. */
export async function run({ records = RECORDS }: Options): Promise<Result> {
  const point = await measurePoint()
  const sqlite = await measure('sqlite', records)
  const postgres = await measure('postgres', records)
  return {
    figures: {
      sqlite_per_s: sqlite.late,
      postgres_per_s: postgres.late,
      ratio_10m_to_1m: Math.min(sqlite.late / sqlite.early, postgres.late / postgres.early),
      bytes_sqlite: sqlite.bytes,
      bytes_postgres: postgres.bytes,
      ...point.figures,
    },
    stages: {
      records,
      sqlite_per_s_at_a_tenth: sqlite.early,
      postgres_per_s_at_a_tenth: postgres.early,
      sqlite_cpu_us: sqlite.cpu,
      postgres_client_cpu_us: postgres.cpu,
      record_bytes: sqlite.recordBytes,
      ...point.stages,
      includes:
        'parsing, signatures and commitments of shipments, durable, signed logs and built segments; not HTTP',
    },
  }
}

/** Speeds when a tenth is there and when all is; between them records are taken in as they are in the measured parts. */
async function measure(dialect: Dialect, records: number) {
  const mill = createRecordMill(records)
  const stand = await openStand(dialect)
  try {
    const measured = Math.min(MEASURED, Math.floor(records / 20))
    await fill(stand, mill, Math.floor(records / 10) - measured)
    const early = await speed(stand, mill, measured)
    await fill(stand, mill, records - Math.floor(records / 10) - measured)
    const late = await speed(stand, mill, measured)
    return {
      ...{ early: early.perSecond, late: late.perSecond, cpu: late.cpu, recordBytes: late.recordBytes },
      bytes: (await stand.bytes()) / records,
    }
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

async function speed(stand: Stand, mill: RecordMill, records: number) {
  let [seconds, cpu, bytes] = [0, 0, 0]
  for (let left = records; left > 0; ) {
    const bodies = mill.next(Math.min(left, PORTION))
    bytes += bodies.reduce((sum, { text }) => sum + text.length, 0)
    left -= count(bodies)
    const before = process.cpuUsage()
    seconds += await stand.ingest(bodies, mill)
    const { user, system } = process.cpuUsage(before)
    cpu += user + system
  }
  // What is left to be signed and built is part of taking in.
  const from = performance.now()
  await stand.settle()
  seconds += (performance.now() - from) / 1000
  return { perSecond: records / seconds, cpu: cpu / records, recordBytes: bytes / records }
}

function count(bodies: readonly Body[]): number {
  return bodies.reduce((sum, { records }) => sum + records, 0)
}

/** What a call waits for its record, in commits of this disk, and what the record costs. */
async function measurePoint(): Promise<{ figures: Record<string, number>; stages: Record<string, number> }> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-spool-'))
  const spool = await openSpool({ dir: directory, epoch: 1 })
  const recorder = createRecorder(spool)
  const waits: Record<number, number[]> = { 1: [], 256: [] }
  const datasyncs: number[] = []
  const cpus: number[] = []
  let n = 0
  for (let round = 0; round < ROUNDS; round++) {
    datasyncs.push(...(await sampleDatasync(200, 1000)))
    for (const callers of [1, 256]) {
      let left = callers === 1 ? CALLS / 20 : CALLS
      const before = process.cpuUsage()
      const total = left
      const caller = async () => {
        while (left-- > 0) {
          const record = attempt(++n)
          const from = performance.now()
          await recorder.append(record)
          waits[callers]?.push(performance.now() - from)
        }
      }
      await Promise.all(Array.from({ length: callers }, caller))
      const { user, system } = process.cpuUsage(before)
      if (callers === 256) cpus.push((user + system) / total)
    }
  }
  await spool.close()
  await rm(directory, { recursive: true })
  const datasync = median(datasyncs)
  return {
    figures: {
      fdatasyncs_p50_1: median(waits[1] ?? []) / datasync,
      fdatasyncs_p50_256: median(waits[256] ?? []) / datasync,
      cpu_us: median(cpus),
    },
    stages: {
      fdatasync_p50_ms: datasync,
      append_p50_ms_1: median(waits[1] ?? []),
      append_p50_ms_256: median(waits[256] ?? []),
    },
  }
}
