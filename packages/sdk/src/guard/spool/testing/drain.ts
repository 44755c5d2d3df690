import type { Spool } from '../index.ts'

/** A record as the tests write them and as it comes back from the spool. */
export interface Line {
  id: string
  type?: string
  epoch: number
  counter: number
}

/** Reads and forgets all that a spool has to ship. */
export async function drain(spool: Spool, limits = { maxRecords: 500, maxBytes: 1 << 20 }): Promise<Line[]> {
  const lines: Line[] = []
  for (let batch = await spool.read(limits); batch; batch = await spool.read(limits)) {
    lines.push(...batch.records.map(record => JSON.parse(record) as Line))
    await batch.done()
  }
  return lines
}
