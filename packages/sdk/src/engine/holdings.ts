import type { AssignmentFact } from '../core/index.ts'
import type { RoleView } from './catalogue.ts'

/** An assignment in the index: what it says, its role, and the next one of the same principal, and at the same place. */
export interface Holding {
  readonly fact: AssignmentFact
  role: RoleView
  /** The same principal on the same resource. */
  nextHere: Holding | undefined
  /** Anyone on the same resource. */
  nextAt: Holding | undefined
}

/** Who was given which role on which resource, found from either side. */
export class Holdings {
  readonly #all = new Map<string, Holding>()
  readonly #of = new Map<number, Map<number, Holding>>()
  readonly #at = new Map<number, Holding>()

  get size(): number {
    return this.#all.size
  }

  /** By resource, what a principal itself was given; undefined where nothing. */
  of(principal: number): ReadonlyMap<number, Holding> | undefined {
    return this.#of.get(principal)
  }

  /** The first of what was given on a resource itself. */
  at(resource: number): Holding | undefined {
    return this.#at.get(resource)
  }

  all(): IterableIterator<Holding> {
    return this.#all.values()
  }

  put(fact: AssignmentFact, role: RoleView): void {
    this.remove(fact.id)
    const mine = this.#of.get(fact.principal) ?? new Map<number, Holding>()
    const holding: Holding = {
      fact,
      role,
      nextHere: mine.get(fact.resource),
      nextAt: this.#at.get(fact.resource),
    }
    this.#all.set(fact.id, holding)
    this.#of.set(fact.principal, mine.set(fact.resource, holding))
    this.#at.set(fact.resource, holding)
  }

  remove(id: string): void {
    const gone = this.#all.get(id)
    if (!gone) return
    this.#all.delete(id)
    const { principal, resource } = gone.fact
    const mine = this.#of.get(principal)
    if (mine) {
      without(mine, resource, gone, 'nextHere')
      if (mine.size === 0) this.#of.delete(principal)
    }
    without(this.#at, resource, gone, 'nextAt')
  }

  /** Removes everything that was given on a resource. */
  removeAt(resource: number): void {
    for (let held = this.#at.get(resource); held; held = held.nextAt) this.remove(held.fact.id)
  }
}

/** Takes one out of the chain that begins under a key. */
function without(heads: Map<number, Holding>, key: number, gone: Holding, next: 'nextHere' | 'nextAt'): void {
  const head = heads.get(key)
  if (head === gone) {
    const rest = gone[next]
    if (rest) heads.set(key, rest)
    else heads.delete(key)
    return
  }
  for (let at = head; at; at = at[next])
    if (at[next] === gone) {
      at[next] = gone[next]
      return
    }
}
