/** Numbers that did not arrive, both ends included. */
export interface Gap {
  first: number
  last: number
}

/** What has arrived of one start of an enforcement point: all up to `highest` except the gaps, which are in order. */
export interface Received {
  highest: number
  gaps: readonly Gap[]
}

/**
 * Notes counters as they arrive, in any order and any number of times. `fresh` says of each whether it arrived for the
 * first time. A number that comes late leaves its gap. `gaps` need only hold those that the counters can fall into.
 */
export function receive(
  before: Received,
  counters: readonly number[],
): { after: Received; fresh: boolean[] } {
  let { highest } = before
  const gaps = [...before.gaps]
  const fresh = counters.map(counter => {
    if (counter > highest) {
      if (counter > highest + 1) gaps.push({ first: highest + 1, last: counter - 1 })
      highest = counter
      return true
    }
    const index = gaps.findIndex(gap => gap.first <= counter && counter <= gap.last)
    const gap = gaps[index]
    if (!gap) return false
    const rest = [
      { first: gap.first, last: counter - 1 },
      { first: counter + 1, last: gap.last },
    ]
    gaps.splice(index, 1, ...rest.filter(({ first, last }) => first <= last))
    return true
  })
  return { after: { highest, gaps }, fresh }
}
