import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import { findFreePort } from '../packages/server/src/cli/run/demo/files.ts'
import { startPostgres } from '../tests/storage/postgres-server.ts'
import { type Child, startChild } from './child.ts'
import { sampleCommits } from './commit.ts'
import type { Result } from './main.ts'
import { median, quantile } from './measure.ts'
import type { FloorSettings } from './programs/floor.ts'
import type { NodeSettings } from './programs/node.ts'
import type { PointQuestion, PointSettings } from './programs/point.ts'

const POINTS = 3
const WRITES = 200
const BARRIERS = 100
const ROUND_TRIPS = 300
const PAUSE_MS = 15

type Dialect = 'sqlite' | 'postgres'

/** How long after a write three enforcement points decide otherwise, and how long a barrier takes, on each database. */
export async function run(): Promise<Result> {
  const sqlite = await measure('sqlite', 1)
  const postgres = await measure('postgres', 2)
  const of = { sqlite, postgres }
  const figures: Result['figures'] = {}
  const stages: Result['stages'] = {}
  for (const [dialect, { effect, barrier, roundTrip, commit, floor }] of Object.entries(of)) {
    figures[`p50_ms_${dialect}`] = median(effect)
    figures[`p99_ms_${dialect}`] = quantile(effect, 0.99)
    figures[`barrier_ms_${dialect}`] = quantile(barrier, 0.99)
    stages[`aim_p50_ms_${dialect}`] = 2 * median(roundTrip) + median(commit)
    stages[`loopback_round_trip_ms_${dialect}`] = median(roundTrip)
    stages[`commit_ms_${dialect}`] = median(commit)
    stages[`answer_ms_${dialect}`] = median(of[dialect as Dialect].answer)
    stages[`floor_p50_ms_${dialect}`] = median(floor)
    stages[`barrier_p50_ms_${dialect}`] = median(barrier)
  }
  stages['effect'] = 'from before the request until the last of 3 points, each a process, decides otherwise'
  stages['floor'] =
    'the same with the least that programs can do: one row is committed, and three processes are told'
  stages['nodes'] = 'sqlite: 1; postgres: 2, written to the first, with points on both'
  return { figures, stages }
}

async function measure(dialect: Dialect, nodeCount: number) {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-propagate-'))
  const postgres = dialect === 'postgres' ? await startPostgres() : undefined
  const databaseUrl = postgres?.url ?? `sqlite:${join(directory, 'valetkey.db')}`
  const stage = await setUp(directory, databaseUrl, nodeCount)
  try {
    const { effect, answer } = await measureEffect(stage)
    const barrier = await measureBarriers(stage)
    const roundTrip = await measureRoundTrips()
    const floor = await measureFloor(directory, postgres?.url)
    return {
      effect,
      answer,
      barrier,
      roundTrip,
      floor,
      commit: await sampleCommits(directory, postgres?.url),
    }
  } finally {
    await stage.stop()
    await postgres?.close()
    await rm(directory, { recursive: true, force: true })
  }
}

interface Stage {
  api: Client<AdminApi>
  points: Child<null>[]
  stop(): Promise<void>
}

async function setUp(directory: string, databaseUrl: string, nodeCount: number): Promise<Stage> {
  const ports = await Promise.all(Array.from({ length: nodeCount }, findFreePort))
  const urls = ports.map(port => `http://127.0.0.1:${port}`)
  const issuer = urls[0] ?? ''
  const masterKey = randomBytes(32).toString('base64')
  const nodes: Child<string>[] = []
  for (const [i, port] of ports.entries()) {
    const settings: NodeSettings = {
      issuer,
      port,
      masterKey,
      databaseUrl,
      directory: join(directory, `node-${i}`),
    }
    nodes.push(await startChild<string>('node', settings))
  }
  const token = nodes[0]?.ready ?? ''
  const api = createClient(contract, { baseUrl: issuer, token: () => token })
  const ids = await fill(api)
  const points = await Promise.all(
    Array.from({ length: POINTS }, (_, i) => {
      const node = urls[i % urls.length] ?? ''
      const settings: PointSettings = { ...ids, issuer, node, directory: join(directory, `point-${i}`) }
      return startChild('point', settings)
    }),
  )
  return {
    api,
    points,
    async stop() {
      await Promise.all(points.map(point => point.stop()))
      await Promise.all(nodes.map(node => node.stop()))
    },
  }
}

/** An agent that may get a report for as long as it has a role. */
async function fill(api: Client<AdminApi>) {
  const { id: organization } = await api.organizations.create({ slug: 'bench', name: 'Bench' })
  await api.people.create({ email: 'ada@bench.test', name: 'Ada' })
  await api.permissions.create({ slug: 'reports:read', risk: 'read' })
  await api.roles.create({ slug: 'reader', permissions: ['reports:read'] })
  await api.servers.create({ name: 'reports', url: 'http://127.0.0.1:9/mcp' })
  await api.tools.map({
    ...{ server: 'reports', kind: 'prompt', name: 'report', permission: 'reports:read', risk: 'read' },
    ...{ resource: null, condition: null, mode: null, definition: null, inputSchema: null },
  })
  const { id: agent } = await api.agents.create({
    name: 'bot',
    owner: 'ada@bench.test',
    ceiling: ['reports:*'],
  })
  const { id: credential } = await api.credentials.create({ agent: 'bot', kind: 'secret', label: 'bench' })
  const { key } = await api.serverKeys.create({ server: 'reports', label: 'bench' })
  return { organization, agent, credential, serverKey: key ?? '' }
}

/** A role given and taken away, in turn. */
async function measureEffect({ api, points }: Stage): Promise<Samples> {
  let assignment: string | undefined
  return sampleEffect(points, {
    awaited: () => (assignment === undefined ? 'permit' : 'deny'),
    async write() {
      if (assignment === undefined)
        assignment = (await api.assignments.create({ principal: 'bot', role: 'reader' })).id
      else {
        await api.assignments.remove({ id: assignment })
        assignment = undefined
      }
    },
  })
}

/** How long it takes where next to nothing is done on the way. */
async function measureFloor(directory: string, postgresUrl?: string): Promise<number[]> {
  const settings: FloorSettings = { directory, ...(postgresUrl && { postgresUrl }) }
  const server = await startChild<string>('floor', settings)
  const points = await Promise.all(
    Array.from({ length: POINTS }, () => startChild('floor-point', { url: server.ready })),
  )
  const body = JSON.stringify({ principal: 'bot', role: 'reader' })
  const { effect } = await sampleEffect(points, {
    awaited: () => 'permit',
    async write() {
      await (await fetch(server.ready, { method: 'POST', body })).json()
    },
  })
  await Promise.all([...points, server].map(child => child.stop()))
  return effect
}

interface Samples {
  /** Until the last point sees it. */
  effect: number[]
  /** Until the writer has its answer. */
  answer: number[]
}

async function sampleEffect(
  points: Stage['points'],
  change: { awaited(): 'permit' | 'deny'; write(): Promise<void> },
): Promise<Samples> {
  const samples: Samples = { effect: [], answer: [] }
  for (let i = 0; i < WRITES; i++) {
    const watch: PointQuestion = { watch: change.awaited() }
    await Promise.all(points.map(point => point.ask(watch)))
    await sleep(PAUSE_MS)
    const from = nowMs()
    await change.write()
    const answered = nowMs()
    const seen = await Promise.all(
      points.map(point => point.ask<number>({ seen: true } satisfies PointQuestion)),
    )
    // The first ones warm up.
    if (i < WRITES / 5) continue
    samples.answer.push(answered - from)
    samples.effect.push(Math.max(...seen) - from)
  }
  return samples
}

async function measureBarriers({ api }: Stage): Promise<number[]> {
  const samples: number[] = []
  for (let i = 0; i < BARRIERS; i++) {
    const token = { kind: 'token', id: crypto.randomUUID(), organization: 'bench', waitMs: 5_000 } as const
    const { barrier } = await api.revocations.create(token)
    const confirmed = barrier?.points.filter(({ outcome }) => outcome === 'confirmed').length
    if (!barrier?.complete || confirmed !== POINTS)
      throw new Error(`not confirmed: ${JSON.stringify(barrier)}`)
    samples.push(barrier.elapsedMs)
    await sleep(PAUSE_MS)
  }
  return samples
}

/** The least that a request over HTTP takes on this machine. */
async function measureRoundTrips(): Promise<number[]> {
  const upstream = await startChild<string>('upstream')
  const samples: number[] = []
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const from = nowMs()
    await (await fetch(upstream.ready, { method: 'POST', body })).text()
    if (i >= ROUND_TRIPS / 5) samples.push(nowMs() - from)
    await sleep(PAUSE_MS / 5)
  }
  await upstream.stop()
  return samples
}

/** Milliseconds on the clock that all processes of this machine share. */
function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
