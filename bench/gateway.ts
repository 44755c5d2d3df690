import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, startChild } from './child.ts'
import { sampleDatasync } from './disk.ts'
import type { Result } from './main.ts'
import { type Peer, startMcpProxy } from './mcp-proxy.ts'
import { median, quantile } from './measure.ts'
import { callFor, type Product, startProduct } from './product.ts'
import type { Order, Target } from './programs/load.ts'

const ROUNDS = 7
const CALLERS = 32
const ROUND_MS = 3_000
/** Until the engine has compiled what there is to compile: services run for days. */
const WARM_UP_MS = 15_000
const PER_SECOND = 200
const PACED_CALLS = 600

/** All parties, each in a process of its own, and the same call for each. */
interface Parties {
  product: Product
  load: Child<null>
  gateway: Child<null>
  hop: Child<string>
  peer: Peer
  targets: Record<'direct' | 'hop' | 'gateway' | 'peer', Target>
  stop(): Promise<void>
}

/** What the gateway costs, beside the least that a proxy can cost, and beside its peer, in interleaved rounds. */
export async function run(): Promise<Result> {
  const parties = await start()
  try {
    const targets = Object.values(parties.targets)
    await parties.load.ask({ kind: 'closed', targets, callers: CALLERS, ms: WARM_UP_MS } satisfies Order)
    const latency = await measureLatency(parties)
    return toResult(await measureCpu(parties), latency)
  } finally {
    await parties.stop()
  }
}

async function start(): Promise<Parties> {
  const upstream = await startChild<string>('upstream')
  const product = await startProduct(upstream.ready)
  const { directory, resource, serverKey, authority, token } = product
  const [load, hop, gateway, peer] = await Promise.all([
    startChild('load'),
    startChild<string>('hop', { upstream: upstream.ready }),
    startChild('gateway', {
      ...{ url: authority.ready.url, serverKey, directory: `${directory}/gateway` },
      ...{ upstream: upstream.ready, port: Number(new URL(resource).port) },
    }),
    startMcpProxy(),
  ])
  const { headers, body } = callFor(token)
  const target = (url: string, more = {}): Target => ({
    url,
    headers: { ...headers, ...more },
    bodies: [body],
  })
  return {
    ...{ product, load, gateway, hop, peer },
    targets: {
      direct: target(upstream.ready),
      hop: target(hop.ready),
      gateway: target(resource),
      peer: target(peer.url, peer.session),
    },
    async stop() {
      peer.stop()
      await Promise.all([load.stop(), hop.stop(), gateway.stop(), upstream.stop()])
      await product.close()
    },
  }
}

/** At a pace that leaves everyone time: what the gateway adds to the same calls made directly. */
async function measureLatency({ load, targets }: Parties) {
  const samples = { direct: [] as number[], hop: [] as number[], gateway: [] as number[] }
  const added: number[] = []
  const tails: number[] = []
  const datasync: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of ['direct', 'gateway', 'hop'] as const) {
      const order: Order = { kind: 'paced', target: targets[name], perSecond: PER_SECOND, calls: PACED_CALLS }
      const times = await load.ask<number[]>(order)
      samples[name].push(median(times))
      if (name === 'gateway') tails.push(quantile(times, 0.99))
    }
    added.push((samples.gateway.at(-1) ?? 0) - (samples.direct.at(-1) ?? 0))
    datasync.push(median(await sampleDatasync(200, PER_SECOND)))
  }
  return { samples, added, tails, datasync }
}

/** CPU a call of the gateway, and of who ran beside it, by round. */
interface Pair {
  gateway: number[]
  other: number[]
}

/** As fast as 32 callers go. */
async function measureCpu(parties: Parties) {
  const { hop, peer, product } = parties
  const besideHop: Pair = { gateway: [], other: [] }
  const besidePeer: Pair = { gateway: [], other: [] }
  const authority: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const before = await product.authority.cpuMicros()
    const calls = await measurePair(parties, 'hop', hop.cpuMicros, besideHop)
    authority.push(((await product.authority.cpuMicros()) - before) / calls)
    await measurePair(parties, 'peer', peer.cpuMicros, besidePeer)
  }
  return { besideHop, besidePeer, authority }
}

/**
 * Two at the same time, each with callers of its own, so that whatever else the machine does weighs on both alike. The
 * gateway's CPU is counted until the authority has its records. Gives the number of its calls.
 */
async function measurePair(
  { gateway, load, targets }: Parties,
  name: 'hop' | 'peer',
  cpuOfOther: () => number | Promise<number>,
  pair: Pair,
): Promise<number> {
  const before = [await gateway.cpuMicros(), await cpuOfOther()] as const
  const order: Order = {
    ...{ kind: 'closed', callers: CALLERS, ms: ROUND_MS },
    targets: [targets.gateway, targets[name]],
  }
  const [calls = 0, otherCalls = 0] = await load.ask<number[]>(order)
  while ((await gateway.ask<number>('backlog')) > 0) await sleep(50)
  pair.gateway.push(((await gateway.cpuMicros()) - before[0]) / calls)
  pair.other.push(((await cpuOfOther()) - before[1]) / otherCalls)
  return calls
}

function toResult(
  cpu: Awaited<ReturnType<typeof measureCpu>>,
  latency: Awaited<ReturnType<typeof measureLatency>>,
): Result {
  const ratio = ({ gateway, other }: Pair) =>
    median(gateway.map((micros, i) => micros / (other[i] ?? Number.NaN)))
  const { samples, added, tails, datasync } = latency
  return {
    figures: {
      added_p50_ms: median(added),
      fdatasync_p50_ms: median(datasync),
      cpu_us: median(cpu.besideHop.gateway),
      hop_cpu_ratio: ratio(cpu.besideHop),
      mcp_proxy_cpu_ratio: ratio(cpu.besidePeer),
    },
    stages: {
      direct_p50_ms: median(samples.direct),
      hop_p50_ms: median(samples.hop),
      gateway_p50_ms: median(samples.gateway),
      gateway_p99_ms: median(tails),
      hop_cpu_us: median(cpu.besideHop.other),
      mcp_proxy_cpu_us: median(cpu.besidePeer.other),
      mcp_proxy_includes: 'its stdio server',
      gateway_beside_mcp_proxy_cpu_us: median(cpu.besidePeer.gateway),
      gateway_includes: 'shipping to the authority',
      authority_cpu_us: median(cpu.authority),
    },
  }
}
