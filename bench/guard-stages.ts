import type { AttemptRecord } from '@valetkey/sdk/core'
import { decide } from '@valetkey/sdk/engine'
import { admit, type Inbound, openPoint, type RunningPoint } from '@valetkey/sdk/guard'
import { requestOf } from '../packages/sdk/src/guard/enforcement/ruling.ts'
import { targetsOf } from '../packages/sdk/src/guard/protocol/action.ts'
import { isFault, parseMessage } from '../packages/sdk/src/guard/protocol/message.ts'
import type { PendingRecord } from '../packages/sdk/src/guard/recorder.ts'
import { redactArguments } from '../packages/sdk/src/guard/redact.ts'
import { openSpool } from '../packages/sdk/src/guard/spool/index.ts'
import { cpuMicros, median } from './measure.ts'
import type { callFor } from './product.ts'
import { TOOLS } from './programs/invoices.ts'

type Point = RunningPoint['point']

const ROUNDS = 20
const CALLS = 1_000
const CALLERS = 32

/** What the parts of admitting a call cost, in microseconds of CPU, each alone and then together. */
export async function measureStages(options: {
  url: string
  serverKey: string
  directory: string
  resource: string
  call: ReturnType<typeof callFor>
}): Promise<Record<string, number>> {
  const { call, resource, directory } = options
  const running = await openPoint({ ...options, kind: 'guard' })
  const spool = await openSpool({ dir: `${directory}/spool-alone`, epoch: 1 })
  const { point } = running
  // What the rule was pinned to is what the upstream of the bench offers.
  point.seen.replace(TOOLS)
  const headers = new Map(Object.entries(call.headers))
  const header = (name: string) => headers.get(name)
  const inbound: Inbound = {
    httpMethod: 'POST',
    target: new URL(resource).pathname,
    header,
    body: call.body,
    isAsSent: true,
  }
  const token = (headers.get('authorization') ?? '').slice('Bearer '.length)
  const record = await recordOf(point, inbound)
  const request = await requestFor(point, call.body, header, token)
  const unrecorded: Point = { ...point, spool: { append: () => Promise.resolve(), note: () => undefined } }
  const stages = {
    token_cache_hit_us: await each(() => point.checkToken(token)),
    parse_us: await each(() => parseMessage(call.body, header)),
    decide_us: await each(() => decide(request, point.replica.snapshot)),
    record_text_us: await each(() => {
      redactArguments(request.action.arguments, null)
      return JSON.stringify(record)
    }),
    spool_append_us: await each(() => spool.append(record)),
    admit_unrecorded_us: await each(() => admitOne(unrecorded, inbound)),
    admit_recorded_and_shipped_us: await each(() => admitOne(point, inbound)),
  }
  await running.close()
  await spool.close()
  return stages
}

async function admitOne(point: Point, inbound: Inbound): Promise<void> {
  const admission = await admit(point, inbound)
  if (admission.kind !== 'forward') throw new Error(admission.answer.body)
  admission.exchange.finish()
}

/** The record that a call leaves. */
async function recordOf(point: Point, inbound: Inbound): Promise<AttemptRecord> {
  const records: object[] = []
  const append = async ({ record }: PendingRecord) => void records.push(record())
  await admitOne({ ...point, spool: { append, note: () => undefined } }, inbound)
  return records[0] as AttemptRecord
}

/** The question that a call asks of the engine. */
async function requestFor(
  point: Point,
  body: string,
  header: (name: string) => string | undefined,
  token: string,
) {
  const message = parseMessage(body, header)
  const checked = await point.checkToken(token)
  const target = isFault(message) ? undefined : targetsOf(message)[0]
  if (!checked.ok || !target) throw new Error('the call of the bench is not a good one')
  return requestOf(point, checked.caller, target)
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
