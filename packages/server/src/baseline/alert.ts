import type { Selectable } from 'kysely'
import type { OutputOf } from '../directory/index.ts'
import type { Database } from '../store/index.ts'
import type { AlertPolicy } from './policy.ts'
import type { Finding } from './watch.ts'

export type AlertRow = Selectable<Database['alert']>
export type Alert = OutputOf<'alerts', 'get'>

const MOST_SAID = 5

/** What an agent did otherwise, in a sentence for people. */
export function sentenceOf(
  name: string,
  { kind, what, usual }: Finding,
  { windowDays }: AlertPolicy,
): string {
  const some = what.slice(0, MOST_SAID).join(', ') + (what.length > MOST_SAID ? ' and more' : '')
  switch (kind) {
    case 'new_tool':
      return `${name} used ${some}, for the first time in ${windowDays} days; usual are ${usual}.`
    case 'new_resource_type':
      return `${name} touched resources of type ${some}, for the first time in ${windowDays} days; usual are ${usual}.`
    case 'unusual_hour':
      return `${name} was active around ${some}; usual are ${usual}.`
    case 'burst':
      return `${name} made ${some}; usual are ${usual}.`
    case 'refusal_streak':
      return `${name} met ${some}; usual are ${usual}.`
    case 'dormant_awake':
      return `${name} acts again ${some}; it was ${usual}.`
  }
}

export function toAlert(row: AlertRow): Alert {
  return {
    ...{
      id: row.id,
      organization: row.organizationId,
      agent: row.agentId,
      at: row.at,
      raisedAt: row.raisedAt,
    },
    kind: row.kind as Alert['kind'],
    ...{ sentence: row.sentence, usual: row.usual, suspension: row.suspension },
    what: JSON.parse(row.what) as string[],
    records: JSON.parse(row.records) as string[],
    ...{ acknowledgedAt: row.acknowledgedAt, acknowledgedBy: row.acknowledgedBy, note: row.note },
  }
}
