import { type Child, startChild } from './child.ts'
import { sampleDatasync } from './disk.ts'
import type { Result } from './main.ts'
import { type Peer, startMcpProxy } from './mcp-proxy.ts'
import { median, quantile } from './measure.ts'
import { callFor, type Product, startProduct } from './product.ts'
import type { Order, Target } from './programs/load.ts'

const ROUNDS = 7
const CALLERS = 32
const CALLS = 3_000
/** mcp-proxy costs so much more that fewer calls say as much. */
const PEER_CALLS = 1_000
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
    for (const target of Object.values(parties.targets)) await closed(parties, target, CALLS / 3)
    const latency = await measureLatency(parties)
    return { ...toResult(await measureCpu(parties), latency) }
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
    datasync.push(median(await sampleDatasync(200)))
  }
  return { samples, added, tails, datasync }
}

/** As fast as 32 callers go: CPU a call of each process, the gateway's until the authority has its records. */
async function measureCpu(parties: Parties) {
  const { gateway, hop, peer, product, targets } = parties
  const micros = {
    gateway: [] as number[],
    hop: [] as number[],
    peer: [] as number[],
    authority: [] as number[],
  }
  for (let round = 0; round < ROUNDS; round++) {
    micros.hop.push(await perCall(hop.cpuMicros, CALLS, () => closed(parties, targets.hop, CALLS)))
    const authorityBefore = await product.authority.cpuMicros()
    micros.gateway.push(
      await perCall(gateway.cpuMicros, CALLS, async () => {
        await closed(parties, targets.gateway, CALLS)
        while ((await gateway.ask<number>('backlog')) > 0)
          await new Promise(resolve => setTimeout(resolve, 50))
      }),
    )
    micros.authority.push(((await product.authority.cpuMicros()) - authorityBefore) / CALLS)
    micros.peer.push(
      await perCall(peer.cpuMicros, PEER_CALLS, () => closed(parties, targets.peer, PEER_CALLS)),
    )
  }
  return micros
}

function closed({ load }: Pick<Parties, 'load'>, target: Target, calls: number): Promise<number[]> {
  return load.ask<number[]>({ kind: 'closed', target, callers: CALLERS, calls } satisfies Order)
}

async function perCall(
  read: () => number | Promise<number>,
  calls: number,
  work: () => Promise<unknown>,
): Promise<number> {
  const before = await read()
  await work()
  return ((await read()) - before) / calls
}

function toResult(
  cpu: Awaited<ReturnType<typeof measureCpu>>,
  latency: Awaited<ReturnType<typeof measureLatency>>,
): Result {
  const ratio = (of: readonly number[]) =>
    median(cpu.gateway.map((micros, i) => micros / (of[i] ?? Number.NaN)))
  const { samples, added, tails, datasync } = latency
  return {
    figures: {
      added_p50_ms: median(added),
      fdatasync_p50_ms: median(datasync),
      cpu_us: median(cpu.gateway),
      hop_cpu_ratio: ratio(cpu.hop),
      mcp_proxy_cpu_ratio: ratio(cpu.peer),
    },
    stages: {
      direct_p50_ms: median(samples.direct),
      hop_p50_ms: median(samples.hop),
      gateway_p50_ms: median(samples.gateway),
      gateway_p99_ms: median(tails),
      hop_cpu_us: median(cpu.hop),
      mcp_proxy_cpu_us: median(cpu.peer),
      mcp_proxy_includes: 'its stdio server',
      authority_cpu_us: median(cpu.authority),
    },
  }
}
