import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import { createSnapshot } from '@valetkey/sdk/engine'
import { findFreePort } from '../packages/server/src/cli/run/demo/files.ts'
import { loadCatalogue, loadOrganization } from '../packages/server/src/directory/index.ts'
import { openStore } from '../packages/server/src/store/index.ts'
import { startChild } from './child.ts'
import type { Result } from './main.ts'
import { median, quantile } from './measure.ts'
import type { Memory } from './programs/memory.ts'
import { storeTree } from './stored-tree.ts'
import { growTree, type Node, ORGANIZATION, TYPES } from './tree.ts'

const MILLION = 1_000_000
/** Resources of an organization of 1,500 rows; the others are people, groups, members and assignments. */
const OF_1500 = 1_180
const LOADS = 200
const ROWS_AT_ONCE = 2_000
const REVOKE_EVERY_MS = 250

/** What an organization takes: memory, time until it is loaded, time and disk until a million resources are there. */
export async function run(): Promise<Result> {
  const middle = await measureMemory(100_000)
  const large = await measureMemory(MILLION)
  const loads = await measureLoads()
  const imported = await measureImport(MILLION)
  return {
    figures: {
      bytes_per_resource: Math.max(middle.bytesPerResource, large.bytesPerResource),
      load_1500_ms: median(loads),
      import_1m_s: imported.seconds,
      file_mb: imported.fileMb,
    },
    stages: {
      bytes_per_resource_100k: middle.bytesPerResource,
      bytes_per_resource_1m: large.bytesPerResource,
      estimated_bytes_per_resource_1m: large.estimatedPerResource,
      first_load_1500_ms: loads[0] ?? Number.NaN,
      p99_load_1500_ms: quantile(loads.slice(1), 0.99),
      evidence_mb: imported.evidenceMb,
      authority_cpu_s: imported.cpuSeconds,
      revocations_meanwhile: imported.revocations.length,
      revocation_meanwhile_p50_ms: median(imported.revocations),
      revocation_meanwhile_most_ms: Math.max(...imported.revocations),
      includes:
        'memory: ids, and an assignment for every ten resources; import: over HTTP, 2,000 rows a request',
    },
  }
}

async function measureMemory(resources: number): Promise<Memory> {
  const child = await startChild<Memory>('memory', { resources }, [
    '--expose-gc',
    '--max-old-space-size=8192',
  ])
  await child.stop()
  return child.ready
}

/** Milliseconds of each load of an organization of 1,500 rows from SQLite into the index; the first is cold. */
async function measureLoads(): Promise<number[]> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-load-'))
  const store = await openStore({
    url: `sqlite:${join(directory, 'load.db')}`,
    masterKey: new Uint8Array(32),
  })
  try {
    await storeTree(store, growTree(OF_1500))
    const snapshot = createSnapshot()
    snapshot.load(await loadCatalogue(store.db))
    const samples: number[] = []
    for (let i = 0; i < LOADS; i++) {
      const from = performance.now()
      snapshot.load(await loadOrganization(store.db, ORGANIZATION, Date.now()))
      samples.push(performance.now() - from)
    }
    return samples
  } finally {
    await store.close()
    await rm(directory, { recursive: true })
  }
}

/** A million resources through the operation, while tokens are revoked. */
async function measureImport(resources: number) {
  // First of all: it takes longer than a connection stays open that nobody uses.
  const { nodes } = growTree(resources)
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-import-'))
  const authority = await startChild<{ url: string; token: string }>('authority', {
    directory,
    port: await findFreePort(),
  })
  try {
    const { url, token } = authority.ready
    const api = createClient(contract, { baseUrl: url, token: () => token })
    await api.organizations.create({ slug: 'bench', name: 'Bench' })
    for (const [level, slug] of TYPES.entries())
      await api.resourceTypes.create({ slug, parents: [TYPES[level - 1] ?? 'organization'] })
    const revoking = keepRevoking(api)
    const cpuBefore = await authority.cpuMicros()
    const from = performance.now()
    await importAll(api, nodes)
    const seconds = (performance.now() - from) / 1000
    const cpuSeconds = ((await authority.cpuMicros()) - cpuBefore) / 1e6
    const revocations = await revoking.stop()
    await authority.stop()
    const sizes = {
      fileMb: await mbOf(directory, 'valetkey.db'),
      evidenceMb: await mbOf(directory, 'audit/evidence.db'),
    }
    return { seconds, cpuSeconds, revocations, ...sizes }
  } finally {
    await authority.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function importAll(api: Client<AdminApi>, nodes: readonly Node[]): Promise<void> {
  for (let from = 0; from < nodes.length; from += ROWS_AT_ONCE) {
    const rows = nodes.slice(from, from + ROWS_AT_ONCE).map(({ type, id, parent }) => ({
      ...{ type, id, name: `The ${id}` },
      ...(parent && { parent: `${parent.type}/${parent.id}` }),
    }))
    const { created, rejected } = await api.resources.import({ rows })
    if (created !== rows.length)
      throw new Error(`${created} of ${rows.length}: ${JSON.stringify(rejected[0])}`)
  }
}

/** Revokes a token again and again; gives the milliseconds that each took. */
function keepRevoking(api: Client<AdminApi>): { stop(): Promise<number[]> } {
  const samples: number[] = []
  let isDone = false
  const loop = (async () => {
    for (; !isDone; await sleep(REVOKE_EVERY_MS)) {
      const from = performance.now()
      await api.revocations.create({ kind: 'token', id: crypto.randomUUID(), organization: 'bench' })
      samples.push(performance.now() - from)
    }
  })()
  return {
    async stop() {
      isDone = true
      await loop
      return samples
    },
  }
}

/** Megabytes of a database file and its journal. */
async function mbOf(directory: string, name: string): Promise<number> {
  const sizes = [name, `${name}-wal`].map(file =>
    stat(join(directory, file)).then(
      it => it.size,
      () => 0,
    ),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) / 2 ** 20
}
