import type { AdminApi, Client } from '@valetkey/sdk/contract'
import type { Writer } from '@valetkey/sdk/core'
import { openEvidenceFile } from '../../packages/server/src/audit/sqlite/file.ts'

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

/** Looks at the numbers of all records, outcomes too, in the logs of an authority that has stopped. */
export async function readCounters(path: string): Promise<Pick<Evidence, 'records' | 'holes'>> {
  const file = openEvidenceFile({ path, access: 'read', secret: '', headRecords: Number.POSITIVE_INFINITY })
  const starts = new Map<string, number[]>()
  for (const { id, entries } of await file.logs())
    for (const { entry } of await file.entries(id, 0, entries)) {
      const { writer } = ('leaf' in entry ? JSON.parse(entry.leaf) : {}) as { writer?: Writer }
      if (!writer) continue
      const start = `${writer.point} start ${writer.epoch}`
      starts.set(start, [...(starts.get(start) ?? []), writer.counter])
    }
  await file.close()
  const all = [...starts]
  return {
    records: all.reduce((sum, [, counters]) => sum + counters.length, 0),
    holes: all
      .filter(([, counters]) => counters.sort((a, b) => a - b).some((counter, i) => counter !== i + 1))
      .map(
        ([start, counters]) =>
          `${start}: ${counters.length} records numbered ${counters[0]} to ${counters.at(-1)}`,
      ),
  }
}
