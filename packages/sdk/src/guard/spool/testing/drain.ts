import type { Batch, Spool } from '../index.ts'

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
    lines.push(...linesOf(batch))
    await batch.done()
  }
  return lines
}

/** The records of a batch. */
export function linesOf({ lines, count }: Batch): Line[] {
  const records = lines.toString().split('\n').slice(0, -1)
  if (records.length !== count) throw new Error(`a batch of ${count} holds ${records.length} lines`)
  return records.map(record => JSON.parse(record) as Line)
}
