import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, startChild } from './child.ts'
import type { Result } from './main.ts'
import { median } from './measure.ts'
import { pin } from './pin.ts'
import { callFor, type Product, startProduct } from './product.ts'
import type { GuardQuestion, GuardUrls } from './programs/guard.ts'
import type { Order, Target } from './programs/load.ts'

const ROUNDS = 9
const WARM_UP_ROUNDS = 4
const ROUND_MS = 2_500
const CALLERS = 32
const FETCH_CALLS = 4_000

interface Parties {
  product: Product
  guard: Child<GuardUrls>
  load: Child<null>
  targets: { bare: Target; guarded: Target }
}

/** What the guard adds to a call of a server in the same process, beside the official SDK's own adapter for node:http. */
export async function run(): Promise<Result> {
  const upstream = await startChild<string>('upstream')
  const product = await startProduct(upstream.ready)
  const { directory, resource, serverKey, token, authority } = product
  const call = callFor(token)
  const [load, guard] = await Promise.all([
    startChild('load'),
    startChild<GuardUrls>('guard', { url: authority.ready.url, serverKey, directory, resource, call }),
  ])
  const target = (url: string): Target => ({ url, headers: call.headers, bodies: [call.body] })
  const targets = { bare: target(guard.ready.bare), guarded: target(guard.ready.guarded) }
  const parties = { product, guard, load, targets }
  const isPinned = pin([guard.pid], 0) && pin([load.pid, authority.pid], 1)
  const served = await measure(parties, isGuarded => overSockets(parties, isGuarded))
  const fetched = await measure(parties, isGuarded => inProcess(parties, isGuarded))
  const stages = await guard.ask<Record<string, number>>({ kind: 'stages' } satisfies GuardQuestion)
  await Promise.all([guard.stop(), load.stop(), upstream.stop()])
  await product.close()
  return {
    figures: { cpu_us: median(served.added) },
    stages: {
      server_alone_us: median(served.bare),
      server_guarded_us: median(served.guarded),
      includes: 'shipping to the authority',
      authority_cpu_us: median(served.authority),
      fetch_form_adds_us: median(fetched.added),
      ...stages,
      own_core: isPinned ? 'yes' : 'no, this system cannot',
    },
  }
}

/** CPU a call, by round, with and without the guard, until the authority has the records. */
async function measure({ product, guard }: Parties, work: (isGuarded: boolean) => Promise<number>) {
  const micros = {
    bare: [] as number[],
    guarded: [] as number[],
    added: [] as number[],
    authority: [] as number[],
  }
  const perCall = async (isGuarded: boolean) => {
    const before = [await guard.cpuMicros(), await product.authority.cpuMicros()] as const
    const calls = await work(isGuarded)
    while ((await guard.ask<number>({ kind: 'backlog' } satisfies GuardQuestion)) > 0) await sleep(50)
    const authority = ((await product.authority.cpuMicros()) - before[1]) / calls
    return { own: ((await guard.cpuMicros()) - before[0]) / calls, authority }
  }
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    const bare = await perCall(false)
    const guarded = await perCall(true)
    if (round < WARM_UP_ROUNDS) continue
    micros.bare.push(bare.own)
    micros.guarded.push(guarded.own)
    micros.added.push(guarded.own - bare.own)
    micros.authority.push(guarded.authority)
  }
  return micros
}

function overSockets({ load, targets }: Parties, isGuarded: boolean): Promise<number> {
  const order: Order = {
    ...{ kind: 'closed', callers: CALLERS, ms: ROUND_MS },
    target: isGuarded ? targets.guarded : targets.bare,
  }
  return load.ask<number>(order)
}

async function inProcess({ guard }: Parties, isGuarded: boolean): Promise<number> {
  const question: GuardQuestion = { kind: 'fetch', isGuarded, calls: FETCH_CALLS, callers: CALLERS }
  await guard.ask(question)
  return FETCH_CALLS
}
