import { type AttemptRecord, type JsonObject, TRACE_PARENT } from '@valetkey/sdk/core'
import { sha256 } from '@valetkey/sdk/evidence'
import manifest from '../../../package.json' with { type: 'json' }
import { type Exported, hopsOf, sentenceOf, timeOf } from './exported.ts'
import { EXECUTE_TOOL, NAME, TOOL_ERROR } from './otel-names.ts'
import { plain } from './text.ts'

type Value = string | number | boolean | readonly string[] | null | undefined
type Attributes = Record<string, Value>

const LONGEST_VALUE = 4096
const NANOSECONDS = 1_000_000n
const SEVERITY = {
  info: { severityNumber: 9, severityText: 'INFO' },
  warn: { severityNumber: 13, severityText: 'WARN' },
  error: { severityNumber: 17, severityText: 'ERROR' },
} as const
const SERVER_SPAN = 2
const STATUS_ERROR = 2

/** Records as the body of an OTLP request for logs (OTLP/HTTP, JSON). */
export function toLogsRequest(records: readonly Exported[], observedAt: number): JsonObject {
  const logRecords = records.map(record => toLogRecord(record, observedAt))
  return { resourceLogs: [{ resource: resource(), scopeLogs: [{ scope: scope(), logRecords }] }] }
}

/** Calls as the body of an OTLP request for traces: one span for each that has ended or was refused. */
export function toTraceRequest(records: readonly Exported[]): JsonObject {
  const spans = records.flatMap(record => toSpan(record) ?? [])
  return { resourceSpans: [{ resource: resource(), scopeSpans: [{ scope: scope(), spans }] }] }
}

/** Whether a record makes a span. */
export function isSpan(exported: Exported): boolean {
  return toSpan(exported) !== undefined
}

function toLogRecord(exported: Exported, observedAt: number): JsonObject {
  const call = callOf(exported)
  const severity =
    exported.kind === 'alert'
      ? SEVERITY.error
      : exported.kind === 'call' && exported.call.decision !== 'permit'
        ? SEVERITY.warn
        : SEVERITY.info
  return {
    timeUnixNano: nano(timeOf(exported)),
    observedTimeUnixNano: nano(observedAt),
    ...severity,
    eventName: `valetkey.${exported.kind}`,
    body: { stringValue: plain(sentenceOf(exported), LONGEST_VALUE) },
    ...(call ? traceOf(call) : requestOf(exported)),
    attributes: toAttributes({
      ...(call && callAttributes(call)),
      ...ownAttributes(exported),
      ...placeAttributes(exported),
    }),
  }
}

function toSpan(exported: Exported): JsonObject | undefined {
  const { call, end } = endOf(exported) ?? {}
  if (!call || !end) return undefined
  const target = call.kind === 'tool' || call.kind === 'prompt' ? call.tool : null
  return {
    ...traceOf(call),
    ...parentOf(call),
    name: plain(target === null ? call.method || 'call' : `${call.method} ${target}`, 256),
    kind: SERVER_SPAN,
    startTimeUnixNano: nano(end.at - end.durationMs),
    endTimeUnixNano: nano(end.at),
    attributes: toAttributes({
      ...callAttributes(call),
      [NAME.outcome]: end.outcome,
      [NAME.errorType]: end.error,
      ...placeAttributes(exported),
    }),
    status: end.error === null ? {} : { code: STATUS_ERROR, message: plain(sentenceOf(exported), 512) },
  }
}

interface End {
  at: number
  durationMs: number
  outcome: string | null
  /** What class of error it ended with; null where it ended well. */
  error: string | null
}

/** How a call ended: by its outcome, or by its refusal. */
function endOf(exported: Exported): { call: AttemptRecord; end: End } | undefined {
  const at = timeOf(exported)
  if (exported.kind === 'call') {
    const { call } = exported
    const isRefused = call.decision !== 'permit' && call.enforced
    return isRefused ? { call, end: { at, durationMs: 0, outcome: null, error: call.reason } } : undefined
  }
  if (exported.kind !== 'outcome' || !exported.call) return undefined
  const { outcome, durationMs } = exported.outcome
  const error = outcome === 'ok' ? null : outcome === 'tool_error' ? TOOL_ERROR : outcome
  return { call: exported.call, end: { at, durationMs, outcome, error } }
}

function callOf(exported: Exported): AttemptRecord | null {
  return exported.kind === 'call' || exported.kind === 'outcome' ? exported.call : null
}

function callAttributes(call: AttemptRecord): Attributes {
  const { kind, tool } = call
  return {
    [NAME.mcpMethod]: call.method,
    [NAME.operation]: kind === 'tool' ? EXECUTE_TOOL : null,
    [NAME.tool]: kind === 'tool' ? tool : null,
    [NAME.prompt]: kind === 'prompt' ? tool : null,
    [NAME.resourceUri]: kind === 'resource' ? tool : null,
    [NAME.agentId]: call.agent,
    [NAME.agentName]: call.agentName,
    [NAME.userId]: call.person,
    [NAME.decision]: call.decision,
    [NAME.decisionId]: call.id,
    [NAME.reason]: call.reason,
    [NAME.isEnforced]: call.enforced,
    [NAME.organization]: call.organization,
    [NAME.server]: call.server,
    [NAME.resource]: call.resource,
    [NAME.permission]: call.permission,
    [NAME.grant]: call.grant,
    [NAME.delegations]: call.chain,
    [NAME.delegationDepth]: call.chain.length,
    [NAME.forwarded]: call.forwarded && hopsOf(call),
    [NAME.legs]: call.legs,
    [NAME.credential]: call.credential,
  }
}

function ownAttributes(exported: Exported): Attributes {
  if (exported.kind === 'call')
    return {
      [NAME.arguments]: exported.call.arguments === null ? null : JSON.stringify(exported.call.arguments),
    }
  if (exported.kind === 'outcome') {
    const { id, outcome, durationMs } = exported.outcome
    return { [NAME.decisionId]: id, [NAME.outcome]: outcome, [NAME.durationMs]: durationMs }
  }
  const { type, organization, actor, target, detail } = exported.change
  return {
    [NAME.changeType]: type,
    [NAME.organization]: organization,
    [NAME.actor]: actor,
    [NAME.target]: target,
    [NAME.detail]: JSON.stringify(detail),
  }
}

function placeAttributes({ place }: Exported): Attributes {
  return { [NAME.log]: place.log, [NAME.logIndex]: place.index, [NAME.leafHash]: place.leafHash }
}

/** The trace that the caller was in, if it said one; else one of its own, the same for all that is said of one call. */
function traceOf({ id, trace }: AttemptRecord): JsonObject {
  const [, traceId] = TRACE_PARENT.exec(trace ?? '') ?? []
  const own = sha256(id)
  return { traceId: traceId ?? own.toString('hex', 0, 16), spanId: own.toString('hex', 16, 24) }
}

/** The span of the caller; logs have no place for it. */
function parentOf({ trace }: AttemptRecord): JsonObject {
  const [, , parentSpanId] = TRACE_PARENT.exec(trace ?? '') ?? []
  return parentSpanId === undefined ? {} : { parentSpanId }
}

/** The request that a change was made in, by the span that it came from. */
function requestOf(exported: Exported): JsonObject {
  const trace = exported.kind === 'outcome' || exported.kind === 'call' ? null : exported.change.trace
  const [, traceId, spanId] = TRACE_PARENT.exec(trace ?? '') ?? []
  return traceId !== undefined && spanId !== undefined ? { traceId, spanId } : {}
}

function resource(): JsonObject {
  return {
    attributes: toAttributes({ [NAME.serviceName]: 'valetkey', [NAME.serviceVersion]: manifest.version }),
  }
}

function scope(): JsonObject {
  return { name: 'valetkey', version: manifest.version }
}

/** 64-bit numbers are texts in JSON. */
function nano(ms: number): string {
  const whole = Math.max(0, Math.round(ms * 1000))
  return String((BigInt(whole) * NANOSECONDS) / 1000n)
}

function toAttributes(attributes: Attributes): JsonObject[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : { key, value: toValue(value) },
  )
}

function toValue(value: NonNullable<Value>): JsonObject {
  if (typeof value === 'string') return { stringValue: plain(value, LONGEST_VALUE) }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  return { arrayValue: { values: value.map(item => ({ stringValue: plain(item, LONGEST_VALUE) })) } }
}
