import { type Named, VERDICTS } from '../entry.ts'
import { stepOf, type Terms } from '../terms.ts'
import type { RecordFilter } from './rows.ts'
import type { RowFilter } from './sql.ts'

/** Turns the texts of a filter into numbers. `ids` knows those of names and logs; a text without one is in no record. */
export function narrow(
  filter: RecordFilter,
  ids: { names: ReadonlyMap<string, number>; logs: ReadonlyMap<string, readonly number[]> },
  terms: Terms,
): RowFilter {
  const { kinds, logs, since, until, named = {}, verdict, resource, chain } = filter
  const step = resource === undefined ? null : stepOf(resource)
  return {
    kinds,
    logs: logs === undefined ? null : logs.flatMap(log => ids.logs.get(log) ?? []),
    since: since ?? null,
    until: until ?? null,
    named: (Object.entries(named) as [Named, readonly string[]][]).map(([column, texts]) => [
      column,
      texts.flatMap(text => ids.names.get(text) ?? []),
    ]),
    verdict: verdict ?? null,
    terms: [
      ...(step === null ? [] : [terms('resource', step)]),
      ...(chain === undefined ? [] : [terms('chain', chain)]),
    ],
  }
}

/** All texts whose numbers a filter needs. */
export function textsOf({ named = {} }: RecordFilter): string[] {
  return [...new Set(Object.values(named).flat())]
}

export function verdictOf(number: number | null): (typeof VERDICTS)[number] | null {
  return number === null ? null : (VERDICTS[number] ?? null)
}
