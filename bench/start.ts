import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../packages/server/src/cli/run/demo/files.ts'
import type { Result } from './main.ts'
import { median } from './measure.ts'

const STARTS = 5
const IDLE_MS = 5_000
const START_WITHIN_MS = 30_000
const COMMAND = fileURLToPath(new URL('../packages/server/bin/valetkey.js', import.meta.url))

/** One run of `valetkey dev` in a folder. */
interface Start {
  /** From the start of the process until it answers over HTTP, and until it says that all is there. */
  readyMs: number
  bannerMs: number
  rssMb: number
}

/** How soon `valetkey dev` answers, and what it takes up when nothing happens. The first start only warms disk and caches. */
export async function run(): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
  const first: Start[] = []
  const again: Start[] = []
  try {
    for (let n = 0; n <= STARTS; n++) {
      const folder = await mkdtemp(join(directory, 'run-'))
      const fresh = await start(folder, directory)
      if (n === 0) continue
      first.push(fresh)
      again.push(await start(folder, directory))
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  const of = (starts: readonly Start[], key: keyof Start) => median(starts.map(start => start[key]))
  return {
    figures: { ready_ms: of(first, 'readyMs'), idle_rss_mb: of(first, 'rssMb') },
    stages: {
      demo_organization_there_ms: of(first, 'bannerMs'),
      ready_again_ms: of(again, 'readyMs'),
      idle_rss_again_mb: of(again, 'rssMb'),
      measured: 'first starts in an empty folder; "again" is a second start in it',
    },
  }
}

async function start(cwd: string, home: string): Promise<Start> {
  const port = await findFreePort()
  const from = performance.now()
  const child = spawn(process.execPath, [COMMAND, 'dev', '--port', String(port)], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const banner = once(child.stdout ?? child, 'data').then(() => performance.now() - from)
    await whenAnswering(`http://127.0.0.1:${port}/.well-known/oauth-authorization-server`, child)
    const readyMs = performance.now() - from
    const bannerMs = await banner
    await sleep(IDLE_MS)
    return { readyMs, bannerMs, rssMb: residentMb(child.pid ?? 0) }
  } finally {
    const gone = once(child, 'exit')
    child.kill()
    await gone
  }
}

async function whenAnswering(url: string, child: ChildProcess): Promise<void> {
  for (const until = performance.now() + START_WITHIN_MS; ; await sleep(5)) {
    const answer = await fetch(url).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.status === 200) return
    if (child.exitCode !== null || performance.now() > until) throw new Error('valetkey dev does not answer')
  }
}

/** Memory that a process occupies now. Reads /proc. */
function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}
