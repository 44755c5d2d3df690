import type { CheckedEntry } from './entry-check.ts'
import { placesIn } from './shipments.ts'

/** The type of the change by which the authority records what it erased: `detail.places` names the entries as runs. */
export const ERASED = 'evidence.erased'

/** Tells what was erased, and is on record as erased, from what was taken away. */
export function createErasureCheck() {
  const erased: { index: number; name: string }[] = []
  const runs: [number, number][] = []
  return {
    note({ index, isErased, leaf }: CheckedEntry, data: string): void {
      if (isErased) erased.push({ index, name: String(leaf?.['id'] ?? '').slice(0, 100) })
      if (leaf?.['type'] !== ERASED || data === '') return
      const { detail } = JSON.parse(data) as { detail?: { places?: unknown } }
      for (const place of placesIn(detail?.places)) if (typeof place !== 'string') runs.push(place)
    },
    count: () => erased.length,
    findings(): { first: number; last: number; id: string; sentence: string }[] {
      const sorted = runs.toSorted((a, b) => a[0] - b[0])
      const isOnRecord = (index: number) =>
        sorted.some(([first, count]) => index >= first && index < first + count)
      return erased
        .filter(({ index }) => !isOnRecord(index))
        .map(({ index, name }) => ({
          ...{ first: index, last: index, id: name },
          sentence: `What record ${index} (${name}) commits to is not there, and no erasure is on record.`,
        }))
    },
  }
}
