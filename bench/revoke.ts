import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import { findFreePort } from '../packages/server/src/cli/run/demo/files.ts'
import { type Child, startChild } from './child.ts'
import type { Result } from './main.ts'
import { median, quantile } from './measure.ts'
import type { Delegate, Forest } from './programs/delegations.ts'
import type { RevocationCost } from './programs/live-revocations.ts'
import type { CrowdQuestion, CrowdSettings } from './programs/points.ts'

const PROCESSES = 4
const POINTS_EACH = 25
/** Delegations that are taken back by themselves, and those of which each has a hundred below it. */
const SINGLE = 60
const SUBTREES = 20
const PAUSE_MS = 100

/**
 * From a word to a refusal: how long after a delegation is taken back each of 100 enforcement points refuses who acts by it,
 * or by one far below it; and what revocations cost a call while they are remembered.
 */
export async function run(): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-revoke-'))
  const authority = await startChild<Forest>('delegations', {
    directory: join(directory, 'authority'),
    port: await findFreePort(),
  })
  const { url, token, serverKey, organization } = authority.ready
  const api = createClient(contract, { baseUrl: url, token: () => token })
  const crowds: Child<null>[] = []
  for (let i = 0; i < PROCESSES; i++) {
    const place = join(directory, `points-${i}`)
    const settings: CrowdSettings = { url, serverKey, organization, directory: place, points: POINTS_EACH }
    crowds.push(await startChild('points', settings))
  }
  try {
    const { samples, root } = await measure(api, crowds, authority.ready)
    const { callUs, megabytes } = await measureCost()
    return {
      figures: {
        p50_ms: median(samples),
        p99_ms: quantile(samples, 0.99),
        call_cost_us: callUs,
        mb: megabytes,
      },
      stages: {
        points: PROCESSES * POINTS_EACH,
        last_of_all_p50_ms: median(lastOf(samples)),
        subtree_of_10000_first_ms: Math.min(...root),
        subtree_of_10000_last_ms: Math.max(...root),
        measured:
          'at each point, from before the request until who acts by the delegation, or one below it, is refused',
      },
    }
  } finally {
    await Promise.all(crowds.map(crowd => crowd.stop()))
    await authority.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function lastOf(samples: readonly number[]): number[] {
  const each = PROCESSES * POINTS_EACH
  const last: number[] = []
  for (let at = 0; at < samples.length; at += each) last.push(Math.max(...samples.slice(at, at + each)))
  return last
}

async function measure(
  api: Client<AdminApi>,
  crowds: readonly Child<null>[],
  { root, branches, leaves, wide }: Forest,
): Promise<{ samples: number[]; root: number[] }> {
  const revoke = (id: string, leaf: number) => revokeOne(api, crowds, id, leaves[leaf] as Delegate)
  const samples: number[] = []
  // Leaves and branches lie in different parts of the tree, so that each is refused for its own sake.
  for (let i = 0; i < SINGLE; i++) {
    const at = leaves.length - 1 - i
    const found = await revoke(leaves[at]?.chain.at(-1) ?? '', at)
    if (i >= SINGLE / 6) samples.push(...found)
  }
  for (let i = 0; i < SUBTREES; i++) samples.push(...(await revoke(branches[i] ?? '', i * wide)))
  const all = await revoke(root, SUBTREES * wide)
  samples.push(...all)
  return { samples, root: all }
}

/** Takes one delegation back, and says how long each point took to refuse. */
async function revokeOne(
  api: Client<AdminApi>,
  crowds: readonly Child<null>[],
  id: string,
  who: Delegate,
): Promise<number[]> {
  await Promise.all(crowds.map(crowd => crowd.ask({ watch: who } satisfies CrowdQuestion)))
  await sleep(PAUSE_MS)
  const from = Number(process.hrtime.bigint()) / 1e6
  await api.revocations.create({ kind: 'delegation', id })
  const seen = await Promise.all(
    crowds.map(crowd => crowd.ask<number[]>({ seen: true } satisfies CrowdQuestion)),
  )
  return seen.flat().map(at => at - from)
}

async function measureCost(): Promise<RevocationCost> {
  const child = await startChild<RevocationCost>('live-revocations', {}, ['--expose-gc'])
  const { ready } = child
  await child.stop()
  return ready
}
