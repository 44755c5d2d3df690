import type { MemberFact } from '../core/index.ts'

const NOBODY: readonly number[] = []

/** Who belongs to which group, by number. Groups may belong to groups, also in a circle. */
export class Groups {
  readonly #isActive: (principal: number) => boolean
  readonly #facts = new Map<string, MemberFact>()
  readonly #groupsOf = new Map<number, Set<number>>()
  readonly #membersOf = new Map<number, Set<number>>()
  /** By principal, as far as it was asked for since anything of it changed. */
  readonly #subjects: (readonly number[] | undefined)[] = []

  constructor(isActive: (principal: number) => boolean) {
    this.#isActive = isActive
  }

  put(id: string, fact: MemberFact | null): void {
    const old = this.#facts.get(id)
    if (old) {
      this.#groupsOf.get(old.member)?.delete(old.group)
      this.#membersOf.get(old.group)?.delete(old.member)
      this.forget(old.member)
    }
    this.#facts.delete(id)
    if (!fact) return
    this.forget(fact.member)
    this.#facts.set(id, fact)
    addTo(this.#groupsOf, fact.member, fact.group)
    addTo(this.#membersOf, fact.group, fact.member)
  }

  /** A principal and every group that it belongs to, itself first. Who is not active counts for nothing. */
  subjectsOf(principal: number): readonly number[] {
    const known = this.#subjects[principal]
    if (known) return known
    if (!this.#isActive(principal)) return NOBODY
    const subjects = closure(principal, this.#groupsOf, this.#isActive)
    while (this.#subjects.length <= principal) this.#subjects.push(undefined)
    this.#subjects[principal] = subjects
    return subjects
  }

  /** To be told when a principal comes, goes, or begins or ceases to be active. */
  forget(principal: number): void {
    if (this.#membersOf.has(principal)) this.#subjects.fill(undefined)
    else if (principal < this.#subjects.length) this.#subjects[principal] = undefined
  }

  /** A group and everyone in it, itself first; who is in it only through a group that is not active is not in it. */
  membersOf(group: number): number[] {
    return closure(group, this.#membersOf, this.#isActive)
  }

  facts(): IterableIterator<[string, MemberFact]> {
    return this.#facts.entries()
  }
}

function closure(
  from: number,
  edges: ReadonlyMap<number, ReadonlySet<number>>,
  isActive: (principal: number) => boolean,
): number[] {
  const reached = new Set([from])
  // A set that grows while it is walked is walked to its new end.
  for (const at of reached) for (const to of edges.get(at) ?? []) if (isActive(to)) reached.add(to)
  return [...reached]
}

function addTo(map: Map<number, Set<number>>, key: number, value: number): void {
  const held = map.get(key)
  if (held) held.add(value)
  else map.set(key, new Set([value]))
}
