import { type AdminApi, type Output, timeIn } from '@valetkey/sdk/contract'
import { REASONS, type Reason } from '@valetkey/sdk/core'
import { describe } from '@valetkey/sdk/engine'
import type { Question } from './asked.ts'
import type { RecordedCall } from './calls.ts'

type WhoRow = Output<AdminApi['audit']['who']>['rows'][number]

const AGENTS_NAMED = 5

/** What must be said beside the counts: calls let through in audit mode, records that have not arrived, a search broken off. */
interface Caveats {
  unenforced: number
  missing: number
  lookedBackTo: string | null
}

/**
 * The rows as one sentence.
 * @example '1 agent touched customer/acme on billing …: support-bot made 31 calls, authorized by maya@northwind.dev; 9 calls were refused.'
 */
export function whoSentence(
  question: Question,
  name: (id: string) => string,
  rows: readonly WhoRow[],
  caveats: Caveats,
): string {
  const about = subject(question, name)
  const doubt = doubtOf(caveats)
  if (rows.length === 0) return `No call is on record for ${about}${asked(question)}.${doubt}`
  const active = rows.filter(row => row.permitted > 0)
  const agents = new Set(active.map(row => row.agent)).size
  const refused = rows.reduce((sum, row) => sum + row.refused, 0)
  const parts = active.slice(0, AGENTS_NAMED).map(whatOneDid)
  if (active.length > AGENTS_NAMED) parts.push(`${active.length - AGENTS_NAMED} more made calls`)
  if (caveats.unenforced > 0)
    parts.push(`${plural(caveats.unenforced, 'call')} passed only because of audit mode`)
  if (refused > 0) parts.push(`${plural(refused, 'call')} ${refused === 1 ? 'was' : 'were'} refused`)
  const head = `${agents === 0 ? 'No agent' : plural(agents, 'agent')} touched ${about}${between(question, rows)}`
  return `${head}: ${parts.join('; ')}.${doubt}`
}

function doubtOf({ missing, lookedBackTo }: Caveats): string {
  const late =
    missing > 0
      ? ` ${plural(missing, 'record')} of enforcement points ${missing === 1 ? 'has' : 'have'} not arrived, so this may not be all.`
      : ''
  const far =
    lookedBackTo === null
      ? ''
      : ` There is too much to look through: only what came after ${lookedBackTo} was. Name a resource, an agent or a shorter time.`
  return late + far
}

function whatOneDid(row: WhoRow): string {
  const name = shown(row.agentName ?? row.agent ?? 'an unidentified caller')
  const by =
    row.authorizedBy.length === 0 ? '' : `, authorized by ${row.authorizedBy.map(shown).join(' and ')}`
  return `${name} made ${plural(row.permitted, 'call')}${by}`
}

function subject({ wanted: { resource, server, tool } }: Question, name: (id: string) => string): string {
  const either = (values: readonly string[] = []) => values.map(shown).join(' or ')
  const servers = either(server?.any.map(name))
  const what = [either(resource?.any), either(tool?.any)].filter(part => part !== '').join(' with ')
  if (what === '') return servers === '' ? 'anything' : servers
  return servers === '' ? what : `${what} on ${servers}`
}

function asked({ since, until, zone }: Question): string {
  const at = (time: number) => timeIn(zone, time)
  if (since !== null && until !== null) return ` between ${at(since)} and ${at(until)}${inZone(zone)}`
  if (since !== null) return ` since ${at(since)}${inZone(zone)}`
  return until === null ? '' : ` before ${at(until)}${inZone(zone)}`
}

function between({ since, until, zone }: Question, rows: readonly WhoRow[]): string {
  const first = rows.map(row => row.first).reduce((a, b) => (a < b ? a : b))
  const last = rows.map(row => row.last).reduce((a, b) => (a > b ? a : b))
  const at = (time: number | null, seen: string) =>
    time === null && zone === 'UTC' ? seen : timeIn(zone, time ?? Date.parse(seen))
  return ` between ${at(since, first)} and ${at(until, last)}${inZone(zone)}`
}

/** Offsets alone do not say whose days these are. */
function inZone(zone: string): string {
  return zone === 'UTC' ? '' : ` (${zone})`
}

/** One recorded call in a sentence: what was decided, why, and whether to try again. */
export function callSentence(call: RecordedCall, name: (id: string) => string): string {
  const what = shown(call.tool ?? call.method)
  if (call.decision === 'permit') {
    const who = shown(call.agentName ?? call.agent ?? 'the caller')
    const others = call.otherResources?.length ?? 0
    const more = others === 0 ? '' : ` and ${plural(others, 'other')}`
    const where = call.resource === null ? '' : ` on ${shown(call.resource)}${more}`
    const by = call.assignments.map(
      ({ role, createdBy }) => `${shown(role)} given by ${shown(name(createdBy))}`,
    )
    const carried = by.length === 0 ? '' : `, by the role ${by.join(' and ')}`
    return `Permitted: ${who} may use ${what}${where}${carried} (decision ${call.id}).`
  }
  const sentence = isReason(call.reason)
    ? describe({ id: call.id, reason: call.reason, detail: call.detail === null ? null : shown(call.detail) })
    : `Denied: ${shown(call.reason)} (decision ${call.id}).`
  return call.enforced ? sentence : `Let pass in audit mode. ${sentence}`
}

function isReason(reason: string): reason is Reason {
  return Object.hasOwn(REASONS, reason)
}

function plural(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}

/** A text from a record, safe on a terminal: it may have been chosen by whoever was refused. */
function shown(text: string): string {
  return text.slice(0, 200).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD')
}
