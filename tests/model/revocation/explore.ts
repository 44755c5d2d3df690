import { afterTick, isSettled, type PointState, type Rules, runningPoint, stepsOf } from './point.ts'

/** Before the revocation is committed, after it, and after its barrier has returned. */
const [BEFORE, COMMITTED, RETURNED] = [0, 1, 2]
const PHASES = 3

/** In how many states no old decision is let through after the barrier; or how one is, by the shortest way. */
export interface Outcome {
  states: number
  trace: string[] | null
}

interface Edge {
  name: string
  to: number
  releasesOld: boolean
}

/** Every state that one point can get into, by its number, with what can follow. */
interface Table {
  count: number
  /** By the revision of the organization, then by state. */
  edges: readonly [Edge[][], Edge[][]]
  ticks: number[]
  settled: boolean[]
}

function tableOf(rules: Rules): Table {
  const numbers = new Map<string, number>()
  const states: PointState[] = []
  const numberOf = (state: PointState) => {
    const key = JSON.stringify(state)
    const known = numbers.get(key)
    if (known !== undefined) return known
    numbers.set(key, states.length)
    return states.push(state) - 1
  }
  const table: Table = { count: 0, edges: [[], []], ticks: [], settled: [] }
  numberOf(runningPoint(rules))
  for (let at = 0; at < states.length; at++) {
    const state = states[at] as PointState
    for (const head of [0, 1] as const)
      table.edges[head].push(
        [...stepsOf(state, head, rules)].map(({ name, to, releasesOld }) => ({
          ...{ name, to: numberOf(to), releasesOld: releasesOld === true },
        })),
      )
    table.ticks.push(numberOf(afterTick(state, rules)))
    table.settled.push(isSettled(state, rules))
  }
  return { ...table, count: states.length }
}

/** Called with everything that can follow; true ends the walk. */
type Visit = (key: number, isWrong: boolean, name: string, point: number) => boolean

/**
 * Walks through every state that so many points, one revocation and its barrier can get into: every order of all that
 * happens, with every message late or lost, every point crashing at any moment, and time going by whenever it likes.
 * Stops at the first old decision that is let through after the barrier.
 */
export function explore(points: number, rules: Rules): Outcome {
  const table = tableOf(rules)
  const { count } = table
  const seen = new Uint8Array(Math.ceil((count ** points * PHASES) / 8))
  // The first state of a point has the number 0.
  const start = BEFORE
  mark(seen, start)
  let [frontier, states, isWrong] = [[start], 1, false]
  while (frontier.length > 0 && !isWrong) {
    const next: number[] = []
    for (const key of frontier)
      isWrong ||= eachFollower(table, points, key, (to, wrong) => {
        if (mark(seen, to)) {
          states++
          next.push(to)
        }
        return wrong
      })
    frontier = next
  }
  return { states, trace: isWrong ? traceOf(table, points) : null }
}

/** True where it was not there yet. */
function mark(seen: Uint8Array, key: number): boolean {
  const [at, bit] = [Math.floor(key / 8), 1 << (key % 8)]
  if (((seen[at] ?? 0) & bit) !== 0) return false
  seen[at] = (seen[at] ?? 0) | bit
  return true
}

function eachFollower(table: Table, points: number, key: number, visit: Visit): boolean {
  const { count, edges, ticks, settled } = table
  const phase = key % PHASES
  const ids: number[] = []
  for (let n = 0, rest = Math.floor(key / PHASES); n < points; n++) {
    ids.push(rest % count)
    rest = Math.floor(rest / count)
  }
  const ofHead = edges[phase === BEFORE ? 0 : 1]
  for (let at = 0; at < points; at++) {
    const id = ids[at] as number
    // Points are alike: of two in the same state one is looked at.
    if (at > 0 && ids[at - 1] === id) continue
    for (const { name, to, releasesOld } of ofHead[id] as Edge[]) {
      const changed = ids.slice()
      changed[at] = to
      if (visit(keyOf(changed, phase, count), releasesOld && phase === RETURNED, name, at + 1)) return true
    }
  }
  const later = ids.map(id => ticks[id] as number)
  if (visit(keyOf(later, phase, count), false, 'a tick goes by', 0)) return true
  if (phase === BEFORE && visit(keyOf(ids, COMMITTED, count), false, 'the revocation is committed', 0))
    return true
  const isOver = phase === COMMITTED && ids.every(id => settled[id] === true)
  return isOver && visit(keyOf(ids, RETURNED, count), false, 'the barrier returns', 0)
}

/** The same for the same points in whatever order. Sorts what it is given. */
function keyOf(ids: number[], phase: number, count: number): number {
  for (let at = 1; at < ids.length; at++)
    for (let n = at; n > 0 && (ids[n - 1] as number) < (ids[n] as number); n--) {
      const other = ids[n] as number
      ids[n] = ids[n - 1] as number
      ids[n - 1] = other
    }
  let key = 0
  for (let n = ids.length - 1; n >= 0; n--) key = key * count + (ids[n] as number)
  return key * PHASES + phase
}

/** The shortest way to the fault. */
function traceOf(table: Table, points: number): string[] {
  const from = new Map<number, { key: number; name: string }>()
  let [frontier, trace]: [number[], string[] | undefined] = [[BEFORE], undefined]
  while (frontier.length > 0 && !trace) {
    const next: number[] = []
    for (const key of frontier) {
      const isWrong = eachFollower(table, points, key, (to, wrong, what, point) => {
        const name = point === 0 ? what : `point ${point} ${what}`
        if (wrong) trace = [...wayTo(from, key), name]
        else if (to !== BEFORE && !from.has(to)) {
          from.set(to, { key, name })
          next.push(to)
        }
        return wrong
      })
      if (isWrong) break
    }
    frontier = next
  }
  return trace ?? []
}

function wayTo(from: ReadonlyMap<number, { key: number; name: string }>, key: number): string[] {
  const names: string[] = []
  for (let at = from.get(key); at; at = from.get(at.key)) names.unshift(at.name)
  return names
}
