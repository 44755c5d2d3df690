import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { serve } from '../child.ts'
import { openRawClient } from './raw-client.ts'

/** One request, sent again and again with another id each time; of several bodies, each is sent once. */
export interface Target {
  url: string
  headers: Record<string, string>
  bodies: readonly string[]
}

/** Callers that renew a refresh token each, again and again, each with what the answer before gave it. */
export interface Renewal {
  kind: 'renew'
  target: Omit<Target, 'bodies'>
  tokens: string[]
  calls: number
}

/**
 * As many callers as said, each with its next call as soon as it has its answer, for a number of calls or a while; or
 * evenly spaced calls.
 */
export type Order =
  | { kind: 'closed'; target: Target; callers: number; calls?: number; ms?: number }
  | { kind: 'paced'; target: Target; perSecond: number; calls: number }

const pools = new Map<string, Pool>()
let lastId = 0

async function send({ url, headers, bodies }: Target, n: number): Promise<number> {
  const { origin, pathname } = new URL(url)
  const pool = pools.get(origin) ?? new Pool(origin, { connections: 64, pipelining: 1 })
  pools.set(origin, pool)
  const from = performance.now()
  const body = bodyOf(bodies, n)
  const { statusCode, body: answer } = await pool.request({ path: pathname, method: 'POST', headers, body })
  const text = await answer.text()
  const took = performance.now() - from
  if (statusCode !== 200 || text.includes('"isError":true'))
    throw new Error(`${url} answered ${statusCode}: ${text}`)
  return took
}

function bodyOf(bodies: readonly string[], n: number): string {
  // Two calls with one id at once are one call for who keeps calls by their id.
  return (bodies[n % bodies.length] ?? '').replace('"id":0', `"id":${++lastId}`)
}

/** How many calls were answered. */
async function closed(order: Order & { kind: 'closed' }): Promise<number> {
  const { target, callers, calls = Number.POSITIVE_INFINITY, ms = Number.POSITIVE_INFINITY } = order
  const until = performance.now() + ms
  let count = 0
  const caller = async () => {
    const client = await openRawClient(target)
    while (count < calls && performance.now() < until) {
      const answer = await client.send(bodyOf(target.bodies, count++))
      if (!answer.startsWith('HTTP/1.1 200') || answer.includes('"isError":true'))
        throw new Error(`${target.url} answered ${answer}`)
    }
    client.close()
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return count
}

/** The tokens that are good afterwards. */
async function renew({ target, tokens, calls }: Renewal): Promise<string[]> {
  return Promise.all(
    tokens.map(async token => {
      const client = await openRawClient({ ...target, bodies: [] })
      let next = token
      for (let count = 0; count < calls / tokens.length; count++) {
        const form = { grant_type: 'refresh_token', refresh_token: next }
        const answer = await client.send(String(new URLSearchParams(form)))
        const [, given] = /"refresh_token":"([^"]+)"/.exec(answer) ?? []
        if (given === undefined) throw new Error(`${target.url} answered ${answer}`)
        next = given
      }
      client.close()
      return next
    }),
  )
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

serve(null, (order: Order | Renewal) => {
  if (order.kind === 'renew') return renew(order)
  return order.kind === 'closed' ? closed(order) : paced(order)
})
