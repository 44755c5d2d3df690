import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { serve } from '../child.ts'

/** One request, sent again and again with another id each time; of several bodies, each is sent once. */
export interface Target {
  url: string
  headers: Record<string, string>
  bodies: readonly string[]
}

/**
 * As many callers as said for each target, all at the same time, each with its next call as soon as it has its answer,
 * for a number of calls or a while; or evenly spaced calls.
 */
export type Order =
  | { kind: 'closed'; targets: Target[]; callers: number; calls?: number; ms?: number }
  | { kind: 'paced'; target: Target; perSecond: number; calls: number }

const pools = new Map<string, Pool>()
let lastId = 0

async function send({ url, headers, bodies }: Target, n: number): Promise<number> {
  const { origin, pathname } = new URL(url)
  const pool = pools.get(origin) ?? new Pool(origin, { connections: 64, pipelining: 1 })
  pools.set(origin, pool)
  const from = performance.now()
  // Two calls with one id at once are one call for who keeps calls by their id.
  const body = (bodies[n % bodies.length] ?? '').replace('"id":0', `"id":${++lastId}`)
  const { statusCode, body: answer } = await pool.request({ path: pathname, method: 'POST', headers, body })
  const text = await answer.text()
  const took = performance.now() - from
  if (statusCode !== 200 || text.includes('"isError":true'))
    throw new Error(`${url} answered ${statusCode}: ${text}`)
  return took
}

/** How many calls each target answered. */
async function closed({
  targets,
  callers,
  calls = Number.POSITIVE_INFINITY,
  ms,
}: Order & { kind: 'closed' }) {
  const until = ms === undefined ? Number.POSITIVE_INFINITY : performance.now() + ms
  const counts = targets.map(() => 0)
  const caller = async (target: Target, index: number) => {
    for (let n = counts[index] ?? 0; n < calls && performance.now() < until; n = counts[index] ?? 0) {
      counts[index] = n + 1
      await send(target, n)
    }
  }
  await Promise.all(
    targets.flatMap((target, index) => Array.from({ length: callers }, () => caller(target, index))),
  )
  return counts
}

async function paced(order: Order & { kind: 'paced' }): Promise<number[]> {
  const calls: Promise<number>[] = []
  const from = performance.now()
  for (let n = 0; n < order.calls; n++) {
    const wait = from + (n * 1000) / order.perSecond - performance.now()
    if (wait > 0) await sleep(wait)
    calls.push(send(order.target, n))
  }
  return Promise.all(calls)
}

serve(null, (order: Order) => (order.kind === 'closed' ? closed(order) : paced(order)))
