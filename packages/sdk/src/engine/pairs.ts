const FIRST_CAPACITY = 16
/** Odd numbers that spread neighbours over the whole range. */
const SPREAD_LEFT = 0x9e3779b1
const SPREAD_RIGHT = 0x85ebca6b

/** Something for each of many pairs of numbers. To look one up costs one place in memory, whether it is there or not. */
export class PairMap<V extends object> {
  /** Two numbers a place. The left one is 0 where the place is free, so no pair may begin with 0. */
  #keys = new Int32Array(2 * FIRST_CAPACITY)
  #values = emptyPlaces<V>(FIRST_CAPACITY)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(left: number, right: number): V | undefined {
    const keys = this.#keys
    const mask = this.#values.length - 1
    for (let at = homeOf(left, right) & mask; ; at = (at + 1) & mask) {
      const found = keys[2 * at]
      if (found === left && keys[2 * at + 1] === right) return this.#values[at]
      if (found === 0) return undefined
    }
  }

  set(left: number, right: number, value: V): void {
    // At most half full: a look then ends after a step or two.
    if (2 * this.#size >= this.#values.length) this.#grow()
    const at = this.#placeOf(left, right)
    if (this.#keys[2 * at] === 0) this.#size++
    this.#put(at, left, right, value)
  }

  delete(left: number, right: number): void {
    const mask = this.#values.length - 1
    let free = this.#placeOf(left, right)
    if (this.#keys[2 * free] === 0) return
    this.#size--
    // Whatever was put further on because this place was taken moves up, so that no look ends too early.
    for (let at = (free + 1) & mask; this.#keys[2 * at] !== 0; at = (at + 1) & mask) {
      const [atLeft, atRight] = [this.#keys[2 * at] ?? 0, this.#keys[2 * at + 1] ?? 0]
      const home = homeOf(atLeft, atRight) & mask
      if (((at - home) & mask) < ((at - free) & mask)) continue
      this.#put(free, atLeft, atRight, this.#values[at])
      free = at
    }
    this.#put(free, 0, 0, undefined)
  }

  /** Where a pair is, or where it would go. */
  #placeOf(left: number, right: number): number {
    const mask = this.#values.length - 1
    let at = homeOf(left, right) & mask
    while (this.#keys[2 * at] !== 0 && (this.#keys[2 * at] !== left || this.#keys[2 * at + 1] !== right))
      at = (at + 1) & mask
    return at
  }

  #put(at: number, left: number, right: number, value: V | undefined): void {
    this.#keys[2 * at] = left
    this.#keys[2 * at + 1] = right
    this.#values[at] = value
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values]
    this.#keys = new Int32Array(2 * keys.length)
    this.#values = emptyPlaces(2 * values.length)
    for (const [at, value] of values.entries()) {
      const [left, right] = [keys[2 * at] ?? 0, keys[2 * at + 1] ?? 0]
      if (left !== 0) this.#put(this.#placeOf(left, right), left, right, value)
    }
  }
}

function emptyPlaces<V>(count: number): (V | undefined)[] {
  return Array.from({ length: count }, () => undefined)
}

function homeOf(left: number, right: number): number {
  const mixed = Math.imul(left, SPREAD_LEFT) ^ Math.imul(right, SPREAD_RIGHT)
  return mixed ^ (mixed >>> 15)
}
