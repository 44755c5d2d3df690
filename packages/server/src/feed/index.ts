/** Hides how facts and changes reach enforcement points, and how it is known that a revocation has reached them all. */

export { createFeed, type Feed, type FeedOptions } from './feed.ts'
export { prune } from './prune.ts'
export type { RecordSink } from './records.ts'
