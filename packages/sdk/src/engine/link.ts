import type { LinkFact } from '../core/index.ts'
import { type ConditionInput, compileToolCondition } from './condition.ts'

/** A delegation, its limit on arguments compiled once. */
export interface LinkView {
  readonly fact: LinkFact
  /** Whether the limit holds. An error in it is a "no". */
  holds(input: ConditionInput): boolean
}

export function viewLink(fact: LinkFact): LinkView {
  return { fact, holds: compileToolCondition(fact.condition) }
}
