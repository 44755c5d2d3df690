/**
 * Hides how evidence is kept: what was done and what was called, appended once, found again. What it guarantees: a
 * record is durable when `ingest` resolves and is stored once however often it is shipped; what an enforcement point
 * numbered and did not deliver is counted; a recorded change is found by whoever asks after it, and never lost.
 */
export type { Follower, LoggedRecord, Move } from './follow/follower.ts'
export type { Following } from './follow/following.ts'
export type { FollowedLog } from './follow/heads.ts'
export type { Watch } from './follow/watch.ts'
export { auditHandlers } from './handlers.ts'
export type { Ingested } from './ingest.ts'
export { type Audit, openAudit } from './open.ts'
export { type ChangeEvent, record, recordAll } from './record.ts'
export { currentTrace, inTrace } from './trace.ts'
