import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import { readOffer } from '@valetkey/sdk/guard'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { identify } from '../e2e/identity.ts'
import { readCalls, readCounters } from './evidence.ts'
import { createLedgerHandler } from './ledger-server.ts'
import { startLoad } from './load.ts'
import { AGENTS, ledgerPolicy } from './policy.ts'
import { judge, type Verdict } from './verdict.ts'
import { createVictim, type Victim } from './victim.ts'

export interface CampaignOptions {
  seconds: number
  seed: number
  /** False for a disk whose fdatasync claims success and does nothing: the campaign must then find lost records. */
  isHonest?: boolean
  onProgress?(sentence: string): void
}

const CALLERS_EACH = 6
/** Shipping what is left may take this long once nobody is killed any more. */
const DRAIN_WITHIN_MS = 60_000
/** A process lives this long at most once it works, and stays away so long. Without an authority no point works. */
const MOST_LIFE_MS: Record<string, number> = { authority: 10_000, guard: 4_000, gateway: 4_000 }
const MOST_AWAY_MS = 400
/** This share of the kills falls somewhere in or soon after a start. */
const KILLED_IN_START = 0.25

/**
 * Kills authority, guard and gateway at random moments while agents call, and starts them again. What reached a tool
 * is noted outside of them, and held in the end against what the authority has on record.
 */
export async function runCampaign(options: CampaignOptions): Promise<Verdict> {
  const { seconds, seed, isHonest = true, onProgress = () => undefined } = options
  const random = randomFrom(seed)
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-chaos-'))
  const released = new Set<string>()
  const reached = (call: string) => void released.add(call)
  const upstream = await startUpstream(reached)
  const victims: Victim[] = []
  try {
    const stage = await setTheStage({ directory, upstream: upstream.url, isHonest, reached, victims })
    onProgress(`all is up; ${CALLERS_EACH * stage.urls.length} callers begin`)
    const load = startLoad({ ...stage, callersEach: CALLERS_EACH, random })
    const until = performance.now() + seconds * 1000
    await Promise.all(victims.map(victim => torment(victim, until, random)))
    const made = await load.stop()
    onProgress(`${made.length} calls made; what is left is shipped`)
    const falls = () => victims.flatMap(victim => victim.falls())
    await drain(victims).catch((cause: unknown) => {
      throw new Error(['The evidence could not be brought together.', ...falls()].join('\n'), { cause })
    })
    const calls = await readCalls(stage.api)
    await stage.authority.stop()
    const counters = await readCounters(join(directory, 'authority', 'audit', 'evidence.db'))
    const kills = Object.fromEntries(victims.map(victim => [victim.name, victim.kills()]))
    return judge({ made, released, evidence: { calls, ...counters }, kills, faults: falls() })
  } finally {
    await Promise.all(victims.map(victim => victim.kill()))
    upstream.close()
    await rm(directory, { recursive: true, force: true })
  }
}

interface Stage {
  api: Client<AdminApi>
  authority: Victim
  urls: string[]
  tokenFor(agent: string, url: string): string
}

async function setTheStage(setting: {
  directory: string
  upstream: string
  isHonest: boolean
  reached(call: string): void
  victims: Victim[]
}): Promise<Stage> {
  const { directory, upstream, isHonest, reached, victims } = setting
  const [port, guardPort, gatewayPort] = await Promise.all([findFreePort(), findFreePort(), findFreePort()])
  const url = `http://127.0.0.1:${port}`
  const authority = createVictim({
    name: 'authority',
    program: './authority-process.ts',
    settings: { directory: join(directory, 'authority'), port },
  })
  victims.push(authority)
  authority.start()
  const { token = '' } = await authority.ready()
  const api = createClient(contract, { baseUrl: url, token: () => token })
  const ports = { guard: guardPort, gateway: gatewayPort }
  const urls = {
    guard: `http://127.0.0.1:${ports.guard}/mcp`,
    gateway: `http://127.0.0.1:${ports.gateway}/mcp`,
  }
  const offer = await readOffer({ url: upstream, send: request => fetch(request) })
  await api.organizations.create({ slug: 'chaos', name: 'Chaos' })
  await api.policy.apply({ organization: 'chaos', policy: ledgerPolicy(urls, offer) })
  for (const name of ['guard', 'gateway'] as const) {
    const { key } = await api.serverKeys.create({ server: name, label: 'chaos' })
    const point = createVictim({
      name,
      program: `./${name}-process.ts`,
      settings: {
        url,
        serverKey: key,
        directory: join(directory, name),
        port: ports[name],
        isHonest,
        upstream,
      },
      onLine: reached,
    })
    victims.push(point)
    point.start()
  }
  await Promise.all(victims.map(victim => victim.ready()))
  const tokens = new Map<string, string>()
  for (const agent of AGENTS) {
    const identity = await identify(api, url, agent)
    for (const server of Object.values(urls)) tokens.set(`${agent} ${server}`, await identity.token(server))
  }
  return {
    api,
    authority,
    urls: Object.values(urls),
    tokenFor: (agent, server) => tokens.get(`${agent} ${server}`) ?? '',
  }
}

/** Kills a process at random moments, its start among them, and starts it again, until the time is over. */
async function torment(victim: Victim, until: number, random: () => number): Promise<void> {
  for (;;) {
    const isInStart = random() < KILLED_IN_START
    if (!isInStart)
      await Promise.race([
        victim.ready().catch(() => undefined),
        sleep(Math.max(0, until - performance.now())),
      ])
    const lifeMs = random() * (MOST_LIFE_MS[victim.name] ?? 0)
    const leftMs = until - performance.now()
    if (lifeMs > leftMs) return void (await sleep(Math.max(0, leftMs)))
    await sleep(lifeMs)
    await victim.kill()
    await sleep(random() * MOST_AWAY_MS)
    victim.start()
  }
}

/** Waits until the points have shipped all they have, then lets them end, so that their last notes go too. */
async function drain(victims: readonly Victim[]): Promise<void> {
  await Promise.all(victims.map(victim => victim.ready()))
  const points = victims.filter(victim => victim.name !== 'authority')
  for (const until = performance.now() + DRAIN_WITHIN_MS; ; ) {
    const backlogs = await Promise.all(points.map(point => point.backlog()))
    if (backlogs.every(records => records === 0)) break
    if (performance.now() > until) throw new Error(`the spools still hold ${backlogs.join(' and ')} records`)
    await sleep(50)
  }
  await Promise.all(points.map(point => point.stop()))
}

/** The server behind the gateway. It is never killed. */
async function startUpstream(reached: (call: string) => void) {
  const { fetch: handler } = createLedgerHandler(reached)
  const server = createServer(
    getRequestListener(request => handler(request), { overrideGlobalObjects: false }),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
