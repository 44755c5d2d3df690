import { DatabaseSync } from 'node:sqlite'
import type { AdminApi, Client } from '@valetkey/sdk/contract'

/** What the authority has on record. */
export interface Evidence {
  /** The calls that were decided, by the call id in their recorded arguments: whether any decision on it was a permit. */
  calls: ReadonlyMap<string, 'permit' | 'deny'>
  records: number
  /** Where the numbers of a point's start do not run 1, 2, 3, …, in words. */
  holes: readonly string[]
}

/** Reads every recorded call as an auditor does. */
export async function readCalls(api: Client<AdminApi>): Promise<Evidence['calls']> {
  const calls = new Map<string, 'permit' | 'deny'>()
  for (let cursor: string | undefined; ; ) {
    const page = await api.audit.calls({ limit: 200, ...(cursor !== undefined && { cursor }) })
    for (const { arguments: args, decision } of page.items) {
      const id = (args as { call?: string } | null)?.call
      if (id === undefined) continue
      if (decision === 'permit' || !calls.has(id)) calls.set(id, decision === 'permit' ? 'permit' : 'deny')
    }
    if (page.next === null) return calls
    cursor = page.next
  }
}

/** Looks at the numbers of all records, outcomes too, in the file of an authority that has stopped. */
export function readCounters(path: string): Pick<Evidence, 'records' | 'holes'> {
  const database = new DatabaseSync(path, { readOnly: true })
  const number = (member: string) => `json_extract(body, '$.writer.${member}')`
  const rows = database
    .prepare(
      `select point, epoch, min(counter) as first, max(counter) as last, count(distinct counter) as numbers, count(*) as records
       from (select point, ${number('epoch')} as epoch, ${number('counter')} as counter from audit_call
             union all select point, ${number('epoch')}, ${number('counter')} from audit_outcome)
       group by point, epoch`,
    )
    .all() as {
    point: string
    epoch: number
    first: number
    last: number
    numbers: number
    records: number
  }[]
  database.close()
  return {
    records: rows.reduce((sum, row) => sum + row.records, 0),
    holes: rows
      .filter(row => row.first !== 1 || row.last !== row.numbers || row.numbers !== row.records)
      .map(
        row => `${row.point} start ${row.epoch}: ${row.records} records numbered ${row.first} to ${row.last}`,
      ),
  }
}
