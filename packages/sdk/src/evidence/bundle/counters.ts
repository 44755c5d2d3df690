import type { Writer } from '../../core/index.ts'
import type { MissingRecords } from './report.ts'

interface Start {
  awaited: Set<number>
  unnamed: Set<number>
  lowest: number
}

/**
 * Finds what an enforcement point numbered and did not deliver. Each record names the number before it of the same
 * organization, so every number is met twice: once as a record's own, and once as the one before. Only those that were
 * met once are remembered, so it needs no more memory than there are gaps.
 */
export function createCounterCheck() {
  const starts = new Map<string, Start>()
  let last: { point: string; epoch: number; start: Start } | undefined

  /** Records of one start follow each other, most of the time. */
  function startOf({ point, epoch, counter }: Writer): Start {
    if (last?.point === point && last.epoch === epoch) return last.start
    const name = `${epoch} ${point}`
    const start = starts.get(name) ?? { awaited: new Set(), unnamed: new Set(), lowest: counter }
    starts.set(name, start)
    last = { point, epoch, start }
    return start
  }

  return {
    note(writer: Writer): void {
      const { counter, previous } = writer
      const start = startOf(writer)
      start.lowest = Math.min(start.lowest, counter)
      if (previous > 0 && !start.unnamed.delete(previous)) start.awaited.add(previous)
      if (!start.awaited.delete(counter)) start.unnamed.add(counter)
    },
    /** `isPruned`: the oldest records of each start may be there as hashes only, and tell no numbers. */
    missing(isPruned: boolean): MissingRecords[] {
      return [...starts].flatMap(([name, { awaited, lowest }]) => {
        const at = name.indexOf(' ')
        const [epoch, point] = [Number(name.slice(0, at)), name.slice(at + 1)]
        return [...awaited]
          .filter(counter => !isPruned || counter > lowest)
          .sort((a, b) => a - b)
          .map(counter => ({ point, epoch, counter }))
      })
    },
  }
}
