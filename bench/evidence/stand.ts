import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RecordsRequest } from '@valetkey/sdk/core'
import { checkShipment } from '@valetkey/sdk/evidence'
import Sqlite from 'better-sqlite3'
import { Client } from 'pg'
import { type Audit, openAudit } from '../../packages/server/src/audit/index.ts'
import { openStore, type Store } from '../../packages/server/src/store/index.ts'
import { startPostgres } from '../../tests/storage/postgres-server.ts'
import { type Body, DAY_MS, DAYS, END, type RecordMill } from './records.ts'

export type Dialect = 'sqlite' | 'postgres'

/** Evidence of one database, as an authority has it. */
export interface Stand {
  audit: Audit
  /** Takes bodies in as they come over HTTP, some at once; gives the seconds until all is durable. */
  ingest(bodies: readonly Body[], mill: RecordMill): Promise<number>
  /** Waits until all is signed, and all segments are built. */
  settle(): Promise<void>
  /** Bytes of the evidence with all indexes. */
  bytes(): Promise<number>
  /** Closes all, takes the files out of the page cache, and opens it anew. */
  reopenCold(): Promise<void>
  close(): Promise<void>
}

const AT_ONCE = 4
const SMALL_BYTES = 200_000

export async function openStand(dialect: Dialect): Promise<Stand> {
  const directory = mkdtempSync(join(tmpdir(), 'valetkey-evidence-'))
  const path = join(directory, 'audit', 'evidence.db')
  // Two cores and a few gigabytes of memory: a little more than what PostgreSQL takes by itself.
  const postgres =
    dialect === 'postgres'
      ? await startPostgres({ shared_buffers: '512MB', max_wal_size: '4GB', checkpoint_timeout: '15min' })
      : undefined
  const url = postgres?.url ?? `sqlite:${join(directory, 'valetkey.db')}`
  // An authority takes in what has just happened: its own entries, too, are of that moment.
  let at = END - DAYS * DAY_MS
  const now = () => at
  let { store, audit } = await openEvidence(url, path, now)

  async function reopen(between: () => Promise<void>): Promise<void> {
    await audit.close()
    await store.close()
    await between()
    ;({ store, audit } = await openEvidence(url, path, now))
  }
  const bytes = async () => (postgres ? bytesInPostgres(postgres.url) : bytesBelow(join(directory, 'audit')))
  return {
    get audit() {
      return audit
    },
    async ingest(bodies, { key }) {
      const waiting = [...bodies]
      const from = performance.now()
      const sender = async () => {
        for (let body = waiting.shift(); body; body = waiting.shift()) {
          const { point, text } = body
          at = Math.max(at, body.at)
          const { shipments } = RecordsRequest.parse(JSON.parse(text))
          const checked = shipments.map(each => checkShipment(each, { point, epoch: 1, key }))
          await audit.ingest(point, 1, checked)
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, sender))
      return (performance.now() - from) / 1000
    },
    async settle() {
      await audit.flush()
      while (dialect === 'sqlite' && headsIn(path) > 1) await sleep(50)
    },
    bytes,
    reopenCold: () =>
      reopen(async () => {
        await postgres?.stop('orderly')
        dropFromCache(postgres?.directory ?? directory)
        await postgres?.start()
      }),
    async close() {
      await audit.close()
      await store.close()
      await postgres?.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function openEvidence(
  url: string,
  path: string,
  now: () => number,
): Promise<{ store: Store; audit: Audit }> {
  const store = await openStore({ url, masterKey: new Uint8Array(32).fill(1) })
  const audit = await openAudit({ store, path, origin: 'bench.test/log', now })
  return { store, audit }
}

function headsIn(path: string): number {
  const database = new Sqlite(path, { readonly: true })
  const { heads } = database.prepare<[], { heads: number }>('select count(*) as heads from head').get() ?? {
    heads: 0,
  }
  database.close()
  return heads
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

function bytesBelow(directory: string): number {
  return filesBelow(directory).reduce((sum, file) => sum + statSync(file).size, 0)
}

async function bytesInPostgres(url: string): Promise<number> {
  const client = new Client(url)
  await client.connect()
  const { rows } = await client.query<{ bytes: string }>(
    `select coalesce(sum(pg_total_relation_size(oid)), 0) as bytes from pg_class where relname like 'audit_%' and relkind = 'r'`,
  )
  await client.end()
  return Number(rows[0]?.bytes)
}

/** Any user may ask the system to forget what it holds of a file; what is not written yet is written first. */
function dropFromCache(directory: string): void {
  execFileSync('sync')
  // Of the small ones there are a thousand, and they hold nothing that is asked about.
  const large = filesBelow(directory).filter(
    file => !file.includes('pg_wal') && statSync(file).size > SMALL_BYTES,
  )
  for (const file of large) execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none'])
}
