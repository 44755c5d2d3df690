import * as z from 'zod'
import type { Post, Posted } from '../../outbound/index.ts'
import { type Exported, jsonLine, toLogsRequest, toTraceRequest } from '../format/index.ts'
import { toDelivery } from './post.ts'
import { type Delivery, type SinkSettings, TIME_LIMIT_MS, type Transport } from './transport.ts'

/** OTLP over HTTP with JSON bodies, which every OTLP receiver takes: logs of everything, or spans of calls. */
export function createOtlpTransport(
  { url, format, headers, authority }: SinkSettings,
  { post, now }: { post: Post; now(): number },
): Transport {
  const target = new URL(url)
  const toRequest = (records: readonly Exported[]) =>
    format === 'spans' ? toTraceRequest(records) : toLogsRequest(records, now())
  return async records => {
    const answer = await post(target, {
      headers: { ...headers, 'content-type': 'application/json' },
      body: jsonLine(toRequest(records)),
      timeoutMs: TIME_LIMIT_MS,
      ca: authority ?? undefined,
    })
    const delivery = toDelivery(answer, now())
    return delivery.ok && answer.ok ? withRejections(answer) : delivery
  }
}

const Partial = z.object({
  partialSuccess: z.object({
    rejectedLogRecords: z.coerce.number().default(0),
    rejectedSpans: z.coerce.number().default(0),
    errorMessage: z.string().default(''),
  }),
})

/** What a receiver rejects within an accepted request must not come again (OTLP, partial success); it is said instead. */
function withRejections({ body }: Posted): Delivery {
  const said = Partial.safeParse(parse(body))
  if (!said.success) return { ok: true }
  const { rejectedLogRecords, rejectedSpans, errorMessage } = said.data.partialSuccess
  const rejected = rejectedLogRecords + rejectedSpans
  return rejected === 0
    ? { ok: true }
    : { ok: true, note: `The receiver rejected ${rejected} records: ${errorMessage.slice(0, 200)}` }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
