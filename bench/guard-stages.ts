import { admit, type Inbound, openPoint, type RunningPoint } from '@valetkey/sdk/guard'
import { parseMessage } from '../packages/sdk/src/guard/protocol/message.ts'
import { cpuMicros, median } from './measure.ts'
import type { callFor } from './product.ts'
import { TOOLS } from './programs/invoices.ts'

const ROUNDS = 20
const CALLS = 500
const CALLERS = 32

/** What the parts of admitting a call cost, in microseconds of CPU. Each contains those before it where it says so. */
export async function measureStages(options: {
  url: string
  serverKey: string
  directory: string
  resource: string
  call: ReturnType<typeof callFor>
}): Promise<Record<string, number>> {
  const { call, resource } = options
  const running = await openPoint({ ...options, kind: 'guard' })
  const { point } = running
  // What the rule was pinned to is what the upstream of the bench offers.
  point.seen.replace(TOOLS)
  const headers = new Map(Object.entries(call.headers))
  const header = (name: string) => headers.get(name)
  const inbound: Inbound = { httpMethod: 'POST', target: new URL(resource).pathname, header, body: call.body }
  const token = (headers.get('authorization') ?? '').slice(7)
  const unwritten: RunningPoint['point'] = {
    ...point,
    spool: { append: () => Promise.resolve(), note: () => undefined },
  }
  const written: RunningPoint['point'] = {
    ...point,
    spool: {
      append: record => Promise.resolve(void JSON.stringify(record)),
      note: record => void JSON.stringify(record),
    },
  }
  const admitOne = async (on: RunningPoint['point']) => {
    const admission = await admit(on, inbound)
    if (admission.kind !== 'forward') throw new Error(admission.answer.body)
    admission.exchange.finish()
  }
  const stages = {
    token_cache_hit_us: await each(() => point.checkToken(`${token}`)),
    parse_us: await each(() => parseMessage(call.body, header)),
    admit_without_record_us: await each(() => admitOne(unwritten)),
    admit_with_record_text_us: await each(() => admitOne(written)),
    admit_durable_32_callers_us: await each(() => admitOne(point)),
  }
  await running.close()
  return stages
}

/** Median over rounds of what one call costs, many of them at once. */
async function each(work: () => unknown): Promise<number> {
  const samples: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const micros = await cpuMicros(async () => {
      let left = CALLS
      const caller = async () => {
        while (left-- > 0) await work()
      }
      await Promise.all(Array.from({ length: CALLERS }, caller))
    })
    if (round >= ROUNDS / 4) samples.push(micros / CALLS)
  }
  return median(samples)
}
