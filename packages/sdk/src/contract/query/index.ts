export { writeChips } from './chips.ts'
export {
  type CallQuestion,
  FILTERS,
  type FilterKey,
  parseQuery,
  TIME_FILTERS,
  type TimeKey,
  type Wanted,
} from './query.ts'
export { readSpan, type Span, TIMES } from './times.ts'
export { fromWall, isZone, offsetAt, ownZone, timeIn } from './zone.ts'
