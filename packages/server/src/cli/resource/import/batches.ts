import type { Json } from '@valetkey/sdk/core'
import type { FileRow } from './rows.ts'

/** What goes in one request, and the lines on the way that no request can carry. */
export interface Step {
  rows: { line: number; row: Json }[]
  faults: { line: number; fault: string }[]
  /** The first line that this step has not seen. */
  nextLine: number
}

/** As the operation takes them: so many rows, in a body of well under a megabyte. */
const MOST_ROWS = 2000
const MOST_BYTES = 700_000

/** Rows in steps, from a line on. */
export async function* batchesOf(
  rows: AsyncIterable<FileRow>,
  { from }: { from: number },
): AsyncGenerator<Step> {
  let step = emptyStep(from)
  let bytes = 0
  for await (const row of rows) {
    if (row.line < from) continue
    const size = 'row' in row ? Buffer.byteLength(JSON.stringify(row.row)) : 0
    if (step.rows.length + step.faults.length === MOST_ROWS || bytes + size > MOST_BYTES) {
      yield { ...step, nextLine: row.line }
      step = emptyStep(row.line)
      bytes = 0
    }
    if ('row' in row) step.rows.push(row)
    else step.faults.push(row)
    bytes += size
    step.nextLine = row.line + 1
  }
  if (step.rows.length + step.faults.length > 0) yield step
}

function emptyStep(nextLine: number): Step {
  return { rows: [], faults: [], nextLine }
}
