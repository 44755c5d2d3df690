import type { AssignmentFact } from '../core/index.ts'
import type { RoleView } from './catalogue.ts'
import { PairMap } from './pairs.ts'
import type { ResourceTree } from './tree.ts'

/** An assignment in the index: what it says, its role, and its neighbours among those of the same principal or resource. */
export interface Holding {
  readonly fact: AssignmentFact
  /** As in the fact, without a second look into memory. */
  readonly expiresAt: number | null
  role: RoleView
  /** The same principal on the same resource. */
  nextHere: Holding | undefined
  /** The same principal, on whatever resource. */
  nextOf: Holding | undefined
  previousOf: Holding | undefined
  /** Anyone on the same resource. */
  nextAt: Holding | undefined
  previousAt: Holding | undefined
}

/** Who was given which role on which resource, found from either side. The tree is told where there is anything. */
export class Holdings {
  readonly #tree: ResourceTree
  readonly #all = new Map<string, Holding>()
  readonly #here = new PairMap<Holding>()
  readonly #of = new Map<number, Holding>()
  readonly #at = new Map<number, Holding>()

  constructor(tree: ResourceTree) {
    this.#tree = tree
  }

  get size(): number {
    return this.#all.size
  }

  /** The first of what a principal itself was given on a resource itself. */
  here(principal: number, resource: number): Holding | undefined {
    return this.#here.get(principal, resource)
  }

  /** The first of what a principal itself was given. */
  of(principal: number): Holding | undefined {
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
    const { principal, resource, expiresAt } = fact
    const holding: Holding = {
      fact,
      expiresAt,
      role,
      nextHere: this.#here.get(principal, resource),
      nextOf: this.#of.get(principal),
      previousOf: undefined,
      nextAt: this.#at.get(resource),
      previousAt: undefined,
    }
    if (holding.nextOf) holding.nextOf.previousOf = holding
    if (holding.nextAt) holding.nextAt.previousAt = holding
    this.#all.set(fact.id, holding)
    this.#here.set(principal, resource, holding)
    this.#of.set(principal, holding)
    this.#at.set(resource, holding)
    this.#tree.mark(resource, true)
  }

  remove(id: string): void {
    const gone = this.#all.get(id)
    if (!gone) return
    const { principal, resource } = gone.fact
    this.#all.delete(id)
    this.#removeHere(gone)
    const { nextOf, previousOf, nextAt, previousAt } = gone
    if (nextOf) nextOf.previousOf = previousOf
    if (previousOf) previousOf.nextOf = nextOf
    else setOrDelete(this.#of, principal, nextOf)
    if (nextAt) nextAt.previousAt = previousAt
    if (previousAt) previousAt.nextAt = nextAt
    else setOrDelete(this.#at, resource, nextAt)
    if (!this.#at.has(resource)) this.#tree.mark(resource, false)
  }

  /** Removes everything that was given on a resource. */
  removeAt(resource: number): void {
    for (let held = this.#at.get(resource); held; held = held.nextAt) this.remove(held.fact.id)
  }

  /** There are few of the same principal on the same resource, so they know only who is next. */
  #removeHere(gone: Holding): void {
    const { principal, resource } = gone.fact
    const first = this.#here.get(principal, resource)
    if (first === gone) {
      if (gone.nextHere) this.#here.set(principal, resource, gone.nextHere)
      else this.#here.delete(principal, resource)
      return
    }
    for (let at = first; at; at = at.nextHere) if (at.nextHere === gone) at.nextHere = gone.nextHere
  }
}

function setOrDelete(heads: Map<number, Holding>, key: number, head: Holding | undefined): void {
  if (head) heads.set(key, head)
  else heads.delete(key)
}
