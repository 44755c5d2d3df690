import { isoTime, newId } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import type { Tx } from '../store/index.ts'
import { type AlertRow, sentenceOf } from './alert.ts'
import type { AlertPolicy } from './policy.ts'
import type { KnownAgent } from './profiles.ts'
import type { Finding } from './watch.ts'

/** Who raises alerts, and suspends for them, in the record. */
export const ACTOR = { id: 'baseline', name: 'baseline', permissions: [] }

/** What was found, as an alert that is yet to be raised. */
export function toRow(agent: KnownAgent, finding: Finding, policy: AlertPolicy, now: number): AlertRow {
  return {
    ...{ id: newId('alert', now), organizationId: agent.organization, agentId: agent.id },
    ...{ kind: finding.kind, at: isoTime(finding.at), raisedAt: isoTime(now) },
    ...{ sentence: sentenceOf(agent.name, finding, policy), usual: finding.usual },
    ...{ what: JSON.stringify(finding.what), records: JSON.stringify(finding.records) },
    suspension: policy.suspendOn.includes(finding.kind) ? 'pending' : 'none',
    ...{ acknowledgedAt: null, acknowledgedBy: null, note: null },
  }
}

/** Keeps an alert and records it, in the transaction that notes how far was observed. */
export async function raise(tx: Tx, alert: AlertRow, now: number): Promise<void> {
  await tx.insertInto('alert').values(alert).execute()
  const { id, organizationId, agentId, kind, sentence, usual } = alert
  const detail = {
    ...{ alert: id, agent: agentId, kind, sentence, usual, suspends: alert.suspension === 'pending' },
    ...{ what: JSON.parse(alert.what) as string[], records: JSON.parse(alert.records) as string[] },
  }
  const event = {
    organization: organizationId,
    type: 'alert.raised',
    actor: ACTOR.id,
    target: agentId,
    detail,
  }
  await record(tx, event, now)
}
