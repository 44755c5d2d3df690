/** The legs of a decision in the order in which they are walked. */
const LEGS = [
  'state',
  'tool',
  'arguments',
  'scope',
  'resource',
  'chain',
  'agent',
  'person',
  'condition',
] as const
export type LegName = (typeof LEGS)[number]

/** There are so few walks that all records share their texts. */
const ALL_PASSED = LEGS.map(leg => `${leg}+`).join(' ')
const UP_TO = Object.fromEntries(
  LEGS.map((failed, at) => [failed, [...LEGS.slice(0, at).map(leg => `${leg}+`), `${failed}-`].join(' ')]),
) as Record<LegName, string>

/**
 * A walk as records hold it, up to the leg that failed or to its end: so a record can be read without knowing which legs
 * there were at its time, and in which order.
 * @example 'state+ tool+ arguments+ scope-'
 */
export function writeLegs(failed: LegName | null): string {
  return failed === null ? ALL_PASSED : UP_TO[failed]
}
