import { AppError, type ResourceRow } from '../core/index.ts'

const FIRST_CAPACITY = 64
const MOST_TYPES = 0xffff
/** What one resource costs beside its id: six numbers here, an entry in a map, a place in a list. */
const BYTES_EACH = 100

/**
 * The resources of one organization: who lies below whom, by number, and who is meant by type and id. Moving a resource
 * costs the same whatever lies below it, and asking about one costs its depth.
 *
 * Numbers grow and are never used again, so they serve as places in plain arrays. 0 is nobody.
 */
export class ResourceTree {
  /** Twice the parent's number, and one more where somebody was given a role on the resource itself. */
  #up = new Int32Array(FIRST_CAPACITY)
  #firstChild = new Int32Array(FIRST_CAPACITY)
  #next = new Int32Array(FIRST_CAPACITY)
  #previous = new Int32Array(FIRST_CAPACITY)
  /** Its type by number, or 0 where there is no resource of this number. */
  #type = new Uint16Array(FIRST_CAPACITY)
  readonly #ids: string[] = ['']
  /** Those whose ids cannot stand in a path as they are: few, if any. */
  readonly #unplain = new Set<number>()
  /** By type, the number of each id. */
  readonly #numbers: Map<string, number>[] = []
  #size = 0

  /** How many resources there are. */
  get size(): number {
    return this.#size
  }

  /** The highest number that was ever used. */
  get last(): number {
    return this.#ids.length - 1
  }

  /** About how much memory it takes. */
  get bytes(): number {
    return this.#size * BYTES_EACH + this.#up.length * 18
  }

  /** Makes room for numbers up to this one at once. */
  reserve(last: number): void {
    if (last < this.#up.length) return
    const capacity = Math.max(last + 1, Math.ceil(this.#up.length * 1.5))
    this.#up = grown(this.#up, capacity)
    this.#firstChild = grown(this.#firstChild, capacity)
    this.#next = grown(this.#next, capacity)
    this.#previous = grown(this.#previous, capacity)
    const types = new Uint16Array(capacity)
    types.set(this.#type)
    this.#type = types
  }

  /** Adds a resource of a type, by number, or renames and moves the one that has this number. */
  put(type: number, [seq, externalId, parent]: ResourceRow): void {
    if (type > MOST_TYPES) throw new AppError('internal', `too many resource types: ${type}`)
    this.reserve(seq)
    while (this.#ids.length <= seq) this.#ids.push('')
    if (this.has(seq)) {
      this.#forgetId(seq)
      this.#unlink(seq)
    } else this.#size++
    this.#type[seq] = type
    this.#ids[seq] = externalId
    // Registered ids hold no control characters.
    if (externalId.includes('/') || externalId.includes('%')) this.#unplain.add(seq)
    this.#numbersOf(type).set(externalId, seq)
    this.#link(seq, parent ?? 0)
  }

  /** Removes a resource with everything below it; calls with each number that is gone. */
  remove(seq: number, onRemoved: (seq: number) => void = () => {}): void {
    if (!this.has(seq)) return
    this.#unlink(seq)
    const rest = [seq]
    for (let at = rest.pop(); at !== undefined; at = rest.pop()) {
      for (const child of this.childrenOf(at)) rest.push(child)
      this.#forgetId(at)
      this.#type[at] = 0
      this.#ids[at] = ''
      this.#up[at] = 0
      this.#firstChild[at] = 0
      this.#size--
      onRemoved(at)
    }
  }

  /** The number of a resource, or 0 where there is none. */
  find(type: number, externalId: string): number {
    return this.#numbers[type]?.get(externalId) ?? 0
  }

  has(seq: number): boolean {
    return (this.#type[seq] ?? 0) !== 0
  }

  /** The number of its type; 0 where there is no such resource. */
  typeOf(seq: number): number {
    return this.#type[seq] ?? 0
  }

  externalIdOf(seq: number): string {
    return this.#ids[seq] ?? ''
  }

  /** Whether its id can stand in a path as it is. */
  isPlain(seq: number): boolean {
    return this.#unplain.size === 0 || !this.#unplain.has(seq)
  }

  /** 0 for the root. */
  parentOf(seq: number): number {
    return (this.#up[seq] ?? 0) >> 1
  }

  /** Notes whether somebody was given a role on a resource itself, which may be one that is still to come. */
  mark(seq: number, isGiven: boolean): void {
    this.reserve(seq)
    this.#up[seq] = ((this.#up[seq] ?? 0) & ~1) | (isGiven ? 1 : 0)
  }

  /** Whether somebody was given a role on a resource itself: where not, nobody needs to be looked for. */
  isGiven(seq: number): boolean {
    return ((this.#up[seq] ?? 0) & 1) === 1
  }

  *childrenOf(seq: number): Iterable<number> {
    for (let at = this.#firstChild[seq] ?? 0; at !== 0; at = this.#next[at] ?? 0) yield at
  }

  /** Whether a resource is another one or lies below it. */
  isWithin(seq: number, ancestor: number): boolean {
    for (let at = seq; at !== 0; at = this.parentOf(at)) if (at === ancestor) return true
    return false
  }

  /** How many resources of a type there are. */
  countOf(type: number): number {
    return this.#numbers[type]?.size ?? 0
  }

  /** The numbers of a type at or below a resource, in no order. Types never lie below themselves, so it stops at each. */
  *ofTypeWithin(type: number, seq: number): Iterable<number> {
    if (!this.has(seq)) return
    const rest = [seq]
    for (let at = rest.pop(); at !== undefined; at = rest.pop()) {
      if (this.#type[at] === type) yield at
      else
        for (let child = this.#firstChild[at] ?? 0; child !== 0; child = this.#next[child] ?? 0)
          rest.push(child)
    }
  }

  /** Numbers of a type above `after`, ascending. */
  *ofType(type: number, after: number): Iterable<number> {
    if (this.countOf(type) === 0) return
    for (let seq = after + 1; seq <= this.last; seq++) if (this.#type[seq] === type) yield seq
  }

  /** All rows by type, each with those above it before it. */
  rows(): Map<number, ResourceRow[]> {
    const rows = new Map<number, ResourceRow[]>()
    for (let seq = 1; seq <= this.last; seq++) {
      if (!this.has(seq)) continue
      const type = this.typeOf(seq)
      const row: ResourceRow = [seq, this.externalIdOf(seq), this.parentOf(seq) || null]
      const list = rows.get(type)
      if (list) list.push(row)
      else rows.set(type, [row])
    }
    return rows
  }

  /** Unless another has taken the id over in the same change. */
  #forgetId(seq: number): void {
    const numbers = this.#numbersOf(this.typeOf(seq))
    const id = this.#ids[seq] ?? ''
    if (numbers.get(id) === seq) numbers.delete(id)
    this.#unplain.delete(seq)
  }

  #numbersOf(type: number): Map<string, number> {
    while (this.#numbers.length <= type) this.#numbers.push(new Map())
    return this.#numbers[type] as Map<string, number>
  }

  #link(seq: number, parent: number): void {
    this.#up[seq] = (parent << 1) | ((this.#up[seq] ?? 0) & 1)
    if (parent === 0) return
    this.reserve(parent)
    const first = this.#firstChild[parent] ?? 0
    this.#next[seq] = first
    this.#previous[seq] = 0
    if (first !== 0) this.#previous[first] = seq
    this.#firstChild[parent] = seq
  }

  #unlink(seq: number): void {
    const next = this.#next[seq] ?? 0
    const previous = this.#previous[seq] ?? 0
    const parent = this.parentOf(seq)
    if (previous !== 0) this.#next[previous] = next
    else if (parent !== 0) this.#firstChild[parent] = next
    if (next !== 0) this.#previous[next] = previous
    this.#next[seq] = 0
    this.#previous[seq] = 0
  }
}

function grown(array: Int32Array, capacity: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(capacity)
  larger.set(array)
  return larger
}
