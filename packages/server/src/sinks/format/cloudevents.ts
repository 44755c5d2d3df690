import { isoTime, type JsonObject, TRACE_PARENT } from '@valetkey/sdk/core'
import { type Exported, recordOf, timeOf, uidOf } from './exported.ts'

const TYPES = { call: 'decision', outcome: 'outcome', change: 'change', alert: 'alert' } as const

/** A record as a CloudEvent (1.0.2, JSON). `source` and `id` together stay the same however often it is sent. */
export function toCloudEvent(exported: Exported): JsonObject {
  const { place, kind } = exported
  const subject =
    kind === 'call' ? exported.call.agent : kind === 'outcome' ? exported.call?.agent : exported.change.target
  const trace = kind === 'outcome' ? null : (kind === 'call' ? exported.call : exported.change).trace
  return {
    specversion: '1.0',
    id: uidOf(exported),
    // A log is named like a host and a path, and so is this.
    source: `//${place.log}`,
    type: `dev.valetkey.${TYPES[kind]}.v1`,
    time: isoTime(timeOf(exported)),
    ...(subject && { subject }),
    datacontenttype: 'application/json',
    // The sequence extension: a text whose order is that of the log.
    sequence: String(place.index).padStart(12, '0'),
    ...(trace !== null && TRACE_PARENT.test(trace) && { traceparent: trace }),
    data: { ...recordOf(exported), log: { ...place } },
  }
}
