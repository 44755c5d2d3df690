import type { JsonObject } from '@valetkey/sdk/core'
import { toCef } from './cef.ts'
import { toCloudEvent } from './cloudevents.ts'
import { type Exported, recordOf } from './exported.ts'
import { toOcsf } from './ocsf.ts'
import { fit, jsonLine } from './text.ts'

/** How records can be written, one at a time; OTLP has requests of its own. */
export const FORMATS = ['ocsf', 'cef', 'cloudevents', 'record'] as const
export type Format = (typeof FORMATS)[number]

/** A record as a JSON value of at most so many bytes. */
export function toJson(exported: Exported, format: Exclude<Format, 'cef'>, mostBytes: number): JsonObject {
  if (format === 'ocsf') return toOcsf(exported, mostBytes)
  if (format === 'cloudevents') return fit(toCloudEvent(exported), mostBytes)
  return fit({ log: { ...exported.place }, ...recordOf(exported) }, mostBytes)
}

/** A record on one line of at most so many bytes, which nothing in it can break. */
export function toLine(exported: Exported, format: Format, mostBytes: number): string {
  return format === 'cef' ? toCef(exported, mostBytes) : jsonLine(toJson(exported, format, mostBytes))
}
