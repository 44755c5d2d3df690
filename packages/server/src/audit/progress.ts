import type { Store } from '../store/index.ts'

/** How complete a point's record is, as the directory shows it. */
interface Standing {
  epoch: number
  counter: number
  missing: number
}

/**
 * Keeps the enforcement points' counters in the facts, some moments late and once for many shipments: the evidence has
 * the exact ones, and a commit of the facts for every shipment would slow down everyone.
 */
export function createProgress(store: Store) {
  const behind = new Map<string, Standing>()
  return {
    note(point: string, standing: Standing): void {
      behind.set(point, standing)
    },
    async save(): Promise<void> {
      if (behind.size === 0) return
      const noted = [...behind]
      await store.write(async tx => {
        for (const [point, { epoch, counter, missing }] of noted)
          await tx
            .updateTable('enforcementPoint')
            .set({ recordCounter: counter, recordGaps: missing })
            .where('id', '=', point)
            .where('epoch', '=', epoch)
            .execute()
      })
      for (const [point, standing] of noted) if (behind.get(point) === standing) behind.delete(point)
    },
  }
}
