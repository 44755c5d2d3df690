/** Gives names numbers, from 1 on: the same name the same number for ever, whether what it names is there or not. */
export class Numbers {
  readonly #numbers = new Map<string, number>()
  readonly #names = ['']

  /** The number of a name, a new one where it has none yet. */
  of(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    const number = this.#names.push(name) - 1
    this.#numbers.set(name, number)
    return number
  }

  /** The number of a name; 0, which nothing has, where it never got one. */
  find(name: string): number {
    return this.#numbers.get(name) ?? 0
  }

  nameOf(number: number): string {
    return this.#names[number] ?? ''
  }
}
