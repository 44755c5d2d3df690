import type { Entry } from '../entry.ts'
import { nameOf, type Stored } from '../ingest.ts'
import { createBundleReader } from './bundles.ts'
import { SEGMENT_TABLES } from './schema.ts'
import { type OpenSegments, prepareOnce, type Segment } from './segments.ts'
import type { Statements, WriterState } from './store-tx.ts'

/** Looks where an id could be: in the heads, in segments whose ids reach that far, among the odd ones. */
export function findStored(
  state: WriterState,
  statements: Statements,
  entries: readonly Entry[],
): Map<string, Stored> {
  const found = new Map<string, Stored>()
  const bundles = createBundleReader(state)
  const near = segmentsNear(state, entries)
  for (const entry of entries) {
    const { key, kind } = entry
    let at = statements.findInHeads.map(statement => statement.get(key, kind)).find(row => row !== undefined)
    if (!at && state.hasOdd) at = statements.findOdd.get(key, kind)
    if (!at && !entry.isOdd) at = findInSegments(state.opened, near, entry)
    if (at) found.set(nameOf(entry), { index: at.idx, hash: bundles.hash(at.log, at.idx) })
  }
  return found
}

/** Segments that could hold any of these: of what comes in as it happens there are none, however many there are. */
function segmentsNear({ segments }: WriterState, entries: readonly Entry[]): KeyedSegment[] {
  const keys = entries.filter(({ isOdd }) => !isOdd).map(({ key }) => key)
  const [first] = keys
  if (!first) return []
  const least = keys.reduce((a, b) => (b.compare(a) < 0 ? b : a), first)
  const most = keys.reduce((a, b) => (b.compare(a) > 0 ? b : a), first)
  return segments.filter(
    (segment): segment is KeyedSegment =>
      segment.minKey !== null &&
      segment.maxKey !== null &&
      most.compare(segment.minKey) >= 0 &&
      least.compare(segment.maxKey) <= 0,
  )
}

type KeyedSegment = Segment & { minKey: Buffer; maxKey: Buffer }

const FIND = `select log, idx from ${SEGMENT_TABLES.row} where key = ? and kind = ?`

function findInSegments(
  opened: OpenSegments,
  segments: readonly KeyedSegment[],
  { key, kind }: Entry,
): { log: number; idx: number } | undefined {
  for (const segment of segments) {
    if (key.compare(segment.minKey) < 0 || key.compare(segment.maxKey) > 0) continue
    const row = prepareOnce(opened.open(segment), FIND).get(key, kind)
    // What the text selects.
    if (row) return row as { log: number; idx: number }
  }
  return undefined
}
