import { startChild } from './child.ts'
import type { Result } from './main.ts'
import { median } from './measure.ts'
import { callFor, startProduct } from './product.ts'
import type { GuardOrder } from './programs/guard.ts'

const ROUNDS = 9
const WARM_UP_ROUNDS = 3
const CALLS = 4_000
const CALLERS = 32

/** What the guard adds to a call of the handler behind it, in one process, with an authority in another. */
export async function run(): Promise<Result> {
  const upstream = await startChild<string>('upstream')
  const product = await startProduct(upstream.ready)
  const { directory, resource, serverKey, token, authority } = product
  const guard = await startChild('guard', {
    ...{ url: authority.ready.url, serverKey, directory, resource },
    call: callFor(token),
  })
  const order = (isGuarded: boolean): GuardOrder => ({ isGuarded, calls: CALLS, callers: CALLERS })
  for (let round = 0; round < WARM_UP_ROUNDS; round++)
    for (const is of [true, false]) await guard.ask(order(is))
  const bare: number[] = []
  const guarded: number[] = []
  const added: number[] = []
  const before = await authority.cpuMicros()
  for (let round = 0; round < ROUNDS; round++) {
    const without = await guard.ask<number>(order(false))
    const within = await guard.ask<number>(order(true))
    bare.push(without)
    guarded.push(within)
    added.push(within - without)
  }
  const authorityMicros = ((await authority.cpuMicros()) - before) / (ROUNDS * CALLS)
  const stages = await guard.ask<Record<string, number>>('stages')
  await guard.stop()
  await upstream.stop()
  await product.close()
  return {
    figures: { cpu_us: median(added) },
    stages: {
      handler_alone_us: median(bare),
      handler_guarded_us: median(guarded),
      includes: 'shipping to the authority',
      authority_cpu_us: authorityMicros,
      ...stages,
    },
  }
}
