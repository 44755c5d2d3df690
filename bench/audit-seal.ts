import { createHash, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canonicalJson, RecordsRequest } from '@valetkey/sdk/core'
import {
  bundleHead,
  checkShipment,
  createBundleVerifier,
  endLine,
  endText,
  entryLine,
  leafHash,
  parseTrust,
} from '@valetkey/sdk/evidence'
import { toBatch } from '../packages/server/src/audit/entry.ts'
import type { Ledger, LogState } from '../packages/server/src/audit/ledger.ts'
import { createLogs, type Logs } from '../packages/server/src/audit/log/logs.ts'
import { createTrees } from '../packages/server/src/audit/log/trees.ts'
import { openSqliteLedger } from '../packages/server/src/audit/sqlite/ledger.ts'
import { createTerms } from '../packages/server/src/audit/terms.ts'
import { openStore } from '../packages/server/src/store/index.ts'
import { createRecordMill, END, type RecordMill } from './evidence/records.ts'
import type { Options, Result } from './main.ts'
import { cpuMicros, median, pseudoRandom, quantile, sampleMicros } from './measure.ts'

const RECORDS = 1_000_000
/** What comes in within a second at the speed that is promised. */
const A_SEAL = 20_000
const PROOFS = 2_000

/** What it costs to sign what every log holds, to verify it, and to prove one record of it. */
export async function run({ records = RECORDS }: Options): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'valetkey-seal-'))
  const store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(7) })
  const path = join(directory, 'evidence.db')
  const onError = (error: unknown) => void process.stderr.write(`${error}\n`)
  const now = () => END
  // No segments meanwhile: what it costs to build them is part of taking in, and would be counted here.
  const headRecords = Number.POSITIVE_INFINITY
  const ledger = await openSqliteLedger({ path, secret: 'bench', now, headRecords, onError })
  const memoryPath = join(directory, 'checkpoints')
  const logs = await createLogs({
    store,
    ledger,
    origin: 'bench/log',
    memoryPath,
    witnesses: [],
    now,
    onError,
  })
  try {
    const mill = createRecordMill(records)
    const terms = createTerms('bench')
    const seals: number[] = []
    const leaves: unknown[] = []
    for (let left = records; left > 0; left -= A_SEAL) {
      for (const { point, text } of mill.next(Math.min(left, A_SEAL))) {
        const { shipments } = RecordsRequest.parse(JSON.parse(text))
        const checked = shipments.map(shipment => checkShipment(shipment, { point, epoch: 1, key: mill.key }))
        if (leaves.length < A_SEAL)
          leaves.push(...shipments.flatMap(each => each.records.map(({ leaf }) => leaf)))
        await ledger.ingest([toBatch({ point, epoch: 1, receivedAt: END }, checked, terms)])
      }
      seals.push((await cpuMicros(() => logs.seal())) / Math.min(left, A_SEAL))
    }
    const canonical = sampleMicros(200, 100, i => void canonicalJson(leaves[i % leaves.length]))
    const signed = (await logs.list()).filter(({ name }) => name.startsWith('org_'))
    const verified = await measureVerify(logs, signed, mill)
    const proofs = await measureProofs(ledger, signed)
    return {
      figures: {
        us: median(seals),
        canonical_us: median(canonical),
        verify_per_s: verified.perSecond,
        proof_ms: median(proofs.samples),
      },
      stages: {
        records,
        logs: signed.length,
        seal_most_us: Math.max(...seals),
        verify_us: 1e6 / verified.perSecond,
        verify_bytes_a_record: verified.bytes / verified.entries,
        proof_p99_ms: quantile(proofs.samples, 0.99),
        proof_cpu_ms: median(proofs.cpus),
        seals: `CPU of all threads for trees, signatures and memory, ${A_SEAL} records at a time`,
        verify:
          'whole bundles: hashes, commitments, trees, checkpoints, shipments, numbers; CPU on one thread',
      },
    }
  } finally {
    await logs.close()
    await ledger.close()
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Bundles are made beforehand, one log after the other; only verifying them counts. */
async function measureVerify(logs: Logs, all: readonly LogState[], { key }: Pick<RecordMill, 'key'>) {
  const trust = parseTrust(logs.trust())
  let [entries, bytes, seconds] = [0, 0, 0]
  for (const [nth, log] of all.entries()) {
    const bundle = await bundleOf(logs, log, key)
    const verifier = createBundleVerifier({ trust })
    const before = process.cpuUsage()
    for (let at = 0; at < bundle.length; at += 1 << 20) verifier.push(bundle.subarray(at, at + (1 << 20)))
    const report = verifier.end()
    const { user, system } = process.cpuUsage(before)
    if (report.findings.length > 0)
      throw new Error(`what was made does not hold: ${report.findings[0]?.sentence}`)
    // The first tenth warms up.
    if (nth < all.length / 10) continue
    seconds += (user + system) / 1e6
    entries += report.entries
    bytes += bundle.length
  }
  return { entries, bytes, perSecond: entries / seconds }
}

async function bundleOf(logs: Logs, log: LogState, key: KeyObject): Promise<Buffer> {
  const { name, size, note } = log
  const origin = logs.originOf(log)
  const about = { origin, log: name, isWhole: true, size, query: {}, madeAt: '', madeBy: 'bench' }
  const jwk = key.export({ format: 'jwk' })
  const [first] = await logs.entries(log.id, 0, 1)
  const text = first && 'leaf' in first.entry ? first.entry.leaf : ''
  const points = [...text.matchAll(/"point":"([^"]+)"/g)].map(([, id = '']) => ({ id, jwk }))
  const checkpoints = note === null ? [] : [note]
  const texts = [bundleHead({ about, keys: logs.vkeys(log), witnesses: [], points, checkpoints })]
  const found = await logs.entries(log.id, 0, size)
  for (const [index, { entry, data }] of found.entries()) {
    const leaf = 'leaf' in entry ? entry.leaf : ''
    const beside = data && { text: data.data, key: data.key }
    texts.push(entryLine({ index, hash: leafHash(leaf), leaf, data: beside }))
  }
  const body = Buffer.from(texts.join(''))
  const digest = createHash('sha256').update(body).digest()
  return Buffer.concat([body, Buffer.from(endLine(logs.signText(log, endText(digest, size))))])
}

/** Milliseconds of each proof, of records from all over; nothing is remembered from one to the next. */
async function measureProofs(ledger: Ledger, all: readonly LogState[]) {
  const random = pseudoRandom(3)
  const [samples, cpus]: [number[], number[]] = [[], []]
  // The first tenth warms up.
  for (let i = -PROOFS / 10; i < PROOFS; i++) {
    const log = all[Math.floor(random() * all.length)]
    if (!log) break
    const index = Math.floor(random() * log.size)
    const from = performance.now()
    const micros = await cpuMicros(() => createTrees(ledger).inclusion(log.id, index, log.size))
    if (i < 0) continue
    samples.push(performance.now() - from)
    cpus.push(micros / 1000)
  }
  return { samples, cpus }
}
