/** Random choices that are data: the same numbers make the same choices, and smaller numbers make simpler ones. */
export interface Dice {
  /** A number from 0 up to and without `sides`. */
  roll(sides: number): number
  pick<T>(from: readonly T[]): T | undefined
  /** About one in `odds` of the elements. */
  some<T>(from: readonly T[], odds: number): T[]
}

/** Takes its choices from numbers; when they are used up, every choice is the first. */
export function createDice(numbers: readonly number[]): Dice {
  let used = 0
  const roll = (sides: number) => (sides < 2 ? 0 : (numbers[used++] ?? 0) % sides)
  return {
    roll,
    pick: from => from[roll(from.length)],
    some: (from, odds) => from.filter(() => roll(odds) === odds - 1),
  }
}
