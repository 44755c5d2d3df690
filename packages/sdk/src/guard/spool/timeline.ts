/** Remembers when records became durable, in bounded space: exact while the backlog is short, coarser as it grows. */
export interface Timeline {
  /** The next record to come, the `record`th, becomes durable at `at`. */
  mark(record: number, at: number): void
  /** The first `records` records no longer matter. */
  forget(records: number): void
  /** When the oldest record that matters became durable, or somewhat before. */
  oldest(): number | undefined
}

const MOST_MARKS = 128

export function createTimeline(): Timeline {
  let marks: { record: number; at: number }[] = []
  return {
    mark(record, at) {
      if (marks.length === MOST_MARKS) marks = marks.filter((_, index) => index % 2 === 0)
      marks.push({ record, at })
    },
    forget(records) {
      const live = marks.findIndex(
        (_, index) => (marks[index + 1]?.record ?? Number.POSITIVE_INFINITY) > records,
      )
      if (live > 0) marks = marks.slice(live)
    },
    oldest: () => marks[0]?.at,
  }
}
