import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, startChild } from './child.ts'
import { sampleDatasync } from './disk.ts'
import type { Result } from './main.ts'
import { type Peer, startMcpProxy } from './mcp-proxy.ts'
import { median, quantile } from './measure.ts'
import { pin, stepBack } from './pin.ts'
import { callFor, type Product, startProduct } from './product.ts'
import type { Order, Target } from './programs/load.ts'

const ROUNDS = 7
const CALLERS = 32
/** Short ones, and many: what a machine does besides comes and goes within seconds, and parties are compared round by round. */
const CPU_ROUNDS = 25
const ROUND_MS = 1_000
/** Until the engine has compiled what there is to compile: services run for days. */
const WARM_UP_MS = 12_000
const PER_SECOND = 200
const PACED_CALLS = 600

/** All parties, each in a process of its own, and the same call for each. */
interface Parties {
  product: Product
  load: Child<null>
  gateway: Child<null>
  upstream: Child<string>
  hop: Child<string>
  peer: Peer
  targets: Record<'direct' | 'hop' | 'gateway' | 'peer', Target>
  stop(): Promise<void>
}

/** What the gateway costs, beside the least that a proxy can cost, and beside its peer, in interleaved rounds. */
export async function run(): Promise<Result> {
  const parties = await start()
  try {
    for (const target of Object.values(parties.targets)) await parties.load.ask(closed(target, WARM_UP_MS))
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
    ...{ product, load, gateway, hop, peer, upstream },
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
  const datasyncTails: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of ['direct', 'gateway', 'hop'] as const) {
      const order: Order = { kind: 'paced', target: targets[name], perSecond: PER_SECOND, calls: PACED_CALLS }
      const times = await load.ask<number[]>(order)
      samples[name].push(median(times))
      if (name === 'gateway') tails.push(quantile(times, 0.99))
    }
    added.push((samples.gateway.at(-1) ?? 0) - (samples.direct.at(-1) ?? 0))
    const waits = await sampleDatasync(PACED_CALLS, PER_SECOND)
    datasync.push(median(waits))
    datasyncTails.push(quantile(waits, 0.99))
  }
  return { samples, added, tails, datasync, datasyncTails }
}

/**
 * As fast as 32 callers go, one after another: CPU a call of each, the gateway's until the authority has its records.
 * They have a core to themselves, where that can be; the other one is first of all for who makes the load, which the
 * authority would slow down for one of them only.
 */
async function measureCpu(parties: Parties) {
  const { gateway, hop, peer, product, load, upstream, targets } = parties
  const isPinned =
    pin([gateway.pid, hop.pid, ...peer.pids], 0) && pin([load.pid, upstream.pid, product.authority.pid], 1)
  const isBehind = stepBack(product.authority.pid)
  const micros = {
    hop: [] as number[],
    gateway: [] as number[],
    peer: [] as number[],
    authority: [] as number[],
  }
  const perSecond: number[] = []
  const perCall = async (target: Target, read: () => number | Promise<number>, rest = async () => {}) => {
    const before = await read()
    const calls = await load.ask<number>(closed(target, ROUND_MS))
    await rest()
    return { micros: ((await read()) - before) / calls, calls }
  }
  const shipped = async () => {
    while ((await gateway.ask<number>('backlog')) > 0) await sleep(50)
  }
  for (let round = 0; round < CPU_ROUNDS; round++) {
    micros.hop.push((await perCall(targets.hop, hop.cpuMicros)).micros)
    const before = await product.authority.cpuMicros()
    const ours = await perCall(targets.gateway, gateway.cpuMicros, shipped)
    micros.gateway.push(ours.micros)
    perSecond.push((ours.calls * 1000) / ROUND_MS)
    micros.authority.push(((await product.authority.cpuMicros()) - before) / ours.calls)
    micros.peer.push((await perCall(targets.peer, peer.cpuMicros)).micros)
  }
  return { ...micros, perSecond, isPinned, isBehind }
}

function closed(target: Target, ms: number): Order {
  return { kind: 'closed', target, callers: CALLERS, ms }
}

function toResult(
  cpu: Awaited<ReturnType<typeof measureCpu>>,
  latency: Awaited<ReturnType<typeof measureLatency>>,
): Result {
  const ratio = (of: readonly number[]) =>
    median(cpu.gateway.map((micros, i) => micros / (of[i] ?? Number.NaN)))
  const { samples, added, tails, datasync, datasyncTails } = latency
  return {
    figures: {
      added_p50_ms: median(added),
      p99_ms: median(tails),
      calls_per_second: median(cpu.perSecond),
      fdatasync_p50_ms: median(datasync),
      cpu_us: median(cpu.gateway),
      hop_cpu_ratio: ratio(cpu.hop),
      mcp_proxy_cpu_ratio: ratio(cpu.peer),
    },
    stages: {
      fdatasync_p99_ms: median(datasyncTails),
      direct_p50_ms: median(samples.direct),
      hop_p50_ms: median(samples.hop),
      gateway_p50_ms: median(samples.gateway),
      hop_cpu_us: median(cpu.hop),
      mcp_proxy_cpu_us: median(cpu.peer),
      mcp_proxy_includes: 'its stdio server',
      gateway_includes: 'shipping to the authority',
      authority_cpu_us: median(cpu.authority),
      own_core: cpu.isPinned ? 'yes' : 'no, this system cannot',
      authority_behind_load: cpu.isBehind ? 'yes' : 'no, this system cannot',
    },
  }
}
