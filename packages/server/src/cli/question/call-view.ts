import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Cell, type Colors, toText, type View } from '../terminal/index.ts'

export type RecordedCall = Output<AdminApi['audit']['calls']>['items'][number]

/** What was done: in audit mode a call that would be denied passes. */
export function verdictOf(call: Pick<RecordedCall, 'decision' | 'enforced'>): Cell {
  return { verdict: call.decision === 'deny' && !call.enforced ? 'would_deny' : call.decision }
}

export const callView: View<RecordedCall> = {
  kind: 'Call',
  name: call => call.id,
  columns: [
    { header: 'TIME', value: call => ({ time: call.at }) },
    { header: 'VERDICT', value: verdictOf },
    { header: 'AGENT', value: call => call.agentName ?? call.agent },
    { header: 'AUTHORIZED BY', value: authorizedBy },
    { header: 'TOOL', value: call => call.tool ?? call.method },
    { header: 'RESOURCE', value: call => call.resource },
    { header: 'REASON', value: call => (call.reason === 'permitted' ? null : call.reason) },
    {
      header: 'MS',
      value: call => (call.durationMs === null ? null : Math.round(call.durationMs)),
      align: 'right',
    },
    { header: 'ID', value: call => call.id },
    { header: 'SERVER', value: call => call.server, wide: true },
    { header: 'LEGS', value: call => call.legs, wide: true },
    { header: 'OUTCOME', value: call => call.outcome, wide: true },
    { header: 'CREDENTIAL', value: call => call.credential, wide: true },
    { header: 'POINT', value: call => call.point, wide: true },
    { header: 'TRACE', value: call => call.trace, wide: true },
  ],
}

/** The person, or else those who gave the agent the roles that carried the call. */
function authorizedBy(call: RecordedCall): Cell {
  if (call.person !== null) return call.person
  return [...new Set(call.assignments.map(assignment => assignment.createdBy))].join(', ') || null
}

/** One line of the live tail: `14:02:31  permit  support-bot  get_invoice  customer/acme  0.9 ms`. */
export function callLine(call: RecordedCall, look: { colors: Colors; utc: boolean }): string {
  const text = (cell: Cell) => toText(cell, { ...look, now: 0, relative: false })
  const { text: word, paint } = text(verdictOf(call))
  const plain = (value: string | null, width: number) => text(value).text.padEnd(width)
  const why =
    call.decision === 'permit' ? duration(call) : [call.reason, call.detail].filter(Boolean).join(': ')
  const columns = [
    clockOf(call.at, look.utc),
    paint(word.padEnd(10)),
    plain(call.agentName ?? call.agent, 16),
    plain(call.tool ?? call.method, 24),
    plain(call.resource, 20),
    ...(call.person === null ? [] : [`for ${plain(call.person, 10)}`]),
    text(why).text,
  ]
  return columns.join('  ').trimEnd()
}

function duration(call: RecordedCall): string | null {
  return call.durationMs === null ? null : `${call.durationMs.toFixed(1)} ms`
}

function clockOf(at: string, utc: boolean): string {
  if (utc) return at.slice(11, 19)
  const date = new Date(at)
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map(part => String(part).padStart(2, '0'))
    .join(':')
}
