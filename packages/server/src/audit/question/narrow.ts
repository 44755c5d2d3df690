import type { Named } from '../entry.ts'
import { stepOf, type Terms } from '../terms.ts'
import type { Choice, RecordFilter } from './rows.ts'
import type { RowFilter } from './sql.ts'

/** Turns the texts of a filter into numbers. `ids` knows those of names and logs; a text without one is in no record. */
export function narrow(
  filter: RecordFilter,
  ids: { names: ReadonlyMap<string, number>; logs: ReadonlyMap<string, readonly number[]> },
  terms: Terms,
): RowFilter {
  const { kinds, logs, since, until, named = {}, verdict, resources, chain } = filter
  const oneOf = (kind: 'resource' | 'chain', texts: readonly string[] | null | undefined) =>
    texts ? [texts.map(text => terms(kind, text))] : []
  return {
    kinds,
    logs: logs && numbered(logs, log => ids.logs.get(log) ?? []),
    since: since ?? null,
    until: until ?? null,
    slice: null,
    named: (Object.entries(named) as [Named, Choice<string> | undefined][]).flatMap(([column, choice]) =>
      choice ? [[column, numbered(choice, text => ids.names.get(text) ?? [])] as const] : [],
    ),
    verdict,
    terms: [...oneOf('resource', stepsToFind(resources)), ...oneOf('chain', chain?.any)],
  }
}

/** Null where a type alone is asked for: its instances have nothing in common that could be looked up. */
function stepsToFind(resources: RecordFilter['resources']): string[] | null {
  const steps = resources?.any?.map(stepOf)
  return steps?.every(step => step !== null) ? steps : null
}

function numbered(choice: Choice<string>, of: (text: string) => number | readonly number[]): Choice<number> {
  return { any: choice.any?.flatMap(of) ?? null, none: choice.none.flatMap(of) }
}

/** All texts whose numbers a filter needs. */
export function textsOf({ named = {} }: RecordFilter): string[] {
  return [
    ...new Set(Object.values(named).flatMap(choice => [...(choice?.any ?? []), ...(choice?.none ?? [])])),
  ]
}
