import { startChild } from './child.ts'
import type { Result } from './main.ts'
import { median } from './measure.ts'
import { callFor, startProduct } from './product.ts'
import type { DpopRound } from './programs/dpop.ts'

const ROUNDS = 21

/** What a proof of possession adds to a call at an enforcement point, beside one verification of a signature. */
export async function run(): Promise<Result> {
  const upstream = await startChild<string>('upstream')
  const product = await startProduct(upstream.ready)
  const { directory, resource, serverKey, token, authority } = product
  const settings = { url: authority.ready.url, serverKey, directory, resource, call: callFor(token) }
  const point = await startChild('dpop', settings)
  const rounds: DpopRound[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const measured = await point.ask<DpopRound>(null)
    if (round >= ROUNDS / 4) rounds.push(measured)
  }
  await Promise.all([point.stop(), upstream.stop()])
  await product.close()
  const of = (value: (round: DpopRound) => number) => median(rounds.map(value))
  return {
    figures: { es256_ratio: of(({ bearer, bound, verify }) => (bound - bearer) / verify) },
    stages: {
      admit_bearer_us: of(({ bearer }) => bearer),
      admit_bound_us: of(({ bound }) => bound),
      es256_verify_us: of(({ verify }) => verify),
      key_seen_first_adds_us: of(({ fresh, bound }) => fresh - bound),
    },
  }
}
