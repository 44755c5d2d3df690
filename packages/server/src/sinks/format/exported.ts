import { AttemptRecord, type JsonObject, OutcomeRecord } from '@valetkey/sdk/core'
import * as z from 'zod'
import type { LoggedRecord } from '../../audit/index.ts'

/** A recorded change: who did what to what. Alerts are changes whose type begins with `alert.`. */
const ChangeRecord = z.object({
  id: z.string(),
  at: z.string(),
  type: z.string(),
  organization: z.string().nullable().default(null),
  actor: z.string().default(''),
  target: z.string().default(''),
  detail: z.record(z.string(), z.json()).default({}),
  trace: z.string().nullable().default(null),
})
export type ChangeRecord = z.infer<typeof ChangeRecord>

/** Where in the evidence a record is, so that it can be found and proved. */
export interface Place {
  /** What the log is named. */
  log: string
  index: number
  /** By which the log knows it, in hexadecimal digits. */
  leafHash: string
}

/** A record as formats are given it. An outcome comes with the attempt that it ends, where that is on record. */
export type Exported = { place: Place } & (
  | { kind: 'call'; call: AttemptRecord }
  | { kind: 'outcome'; outcome: OutcomeRecord; call: AttemptRecord | null }
  | { kind: 'alert'; change: ChangeRecord }
  | { kind: 'change'; change: ChangeRecord }
)

/** What a sink may be asked to take. */
export const TAKES = ['calls', 'changes', 'alerts'] as const
export type Takes = (typeof TAKES)[number]

/** A logged record as it leaves; undefined for what only the log itself needs. */
export function toExported(logged: LoggedRecord): Exported | undefined {
  const { record, origin: log, index, hash } = logged
  const place = { log, index, leafHash: hash.toString('hex') }
  switch (record['type']) {
    case 'attempt':
      return { place, kind: 'call', call: AttemptRecord.parse(record) }
    case 'outcome':
      return { place, kind: 'outcome', outcome: OutcomeRecord.parse(record), call: null }
    case 'shipment':
    case 'heads':
      return undefined
    default: {
      const change = ChangeRecord.parse(record)
      return change.type.startsWith('alert.')
        ? { place, kind: 'alert', change }
        : { place, kind: 'change', change }
    }
  }
}

const TAKEN_AS = { call: 'calls', outcome: 'calls', change: 'changes', alert: 'alerts' } as const

export function isTaken({ kind }: Exported, takes: readonly Takes[]): boolean {
  return takes.includes(TAKEN_AS[kind])
}

/** The record as it is in the evidence, without what has no value; what callers wrote comes last. */
export function recordOf(exported: Exported): JsonObject {
  const record = bodyOf(exported)
  const {
    arguments: args,
    detail,
    ...rest
  } = JSON.parse(JSON.stringify(record, (_, value) => value ?? undefined)) as JsonObject
  return { ...rest, ...(detail !== undefined && { detail }), ...(args !== undefined && { arguments: args }) }
}

function bodyOf(exported: Exported): AttemptRecord | OutcomeRecord | ChangeRecord {
  if (exported.kind === 'call') return exported.call
  return exported.kind === 'outcome' ? exported.outcome : exported.change
}

/** What an exported record is known by: no two have the same, and one that is sent again has it again. */
export function uidOf(exported: Exported): string {
  if (exported.kind === 'outcome') return `${exported.outcome.id}.outcome`
  return exported.kind === 'call' ? exported.call.id : exported.change.id
}

export function timeOf(exported: Exported): number {
  const said = Date.parse(bodyOf(exported).at)
  return Number.isFinite(said) ? said : 0
}

/** What happened, in a line for people. */
export function sentenceOf(exported: Exported): string {
  if (exported.kind === 'alert' || exported.kind === 'change') {
    const { type, actor, target, detail } = exported.change
    const said = detail['sentence']
    return typeof said === 'string' ? said : `${actor} did ${type} to ${target}`
  }
  if (exported.kind === 'outcome') {
    const { id, outcome } = exported.outcome
    return exported.call ? `${about(exported.call)} ended: ${outcome}` : `The call ${id} ended: ${outcome}`
  }
  const { decision, reason, enforced } = exported.call
  if (decision === 'permit') return `${about(exported.call)} was permitted`
  return `${about(exported.call)} was ${enforced ? 'refused' : 'let through, though it would be refused'}: ${reason}`
}

/** The servers that handed a call on, each with the token that it had for it; the first one first. */
export function hopsOf({ forwarded = [] }: AttemptRecord): string[] {
  return forwarded.map(({ server, token }) => `${server}/${token}`)
}

function about({ agentName, agent, tool, method, server, resource }: AttemptRecord): string {
  const where = resource === null ? '' : ` on ${resource}`
  return `${tool ?? method} at ${server} by ${agentName ?? agent ?? 'an unidentified caller'}${where}`
}
