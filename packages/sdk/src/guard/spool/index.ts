/** The spool hides how audit records become durable on local disk and reach the authority: files, commits, crashes, retries. */
export type { SpoolFilePort } from './file.ts'
export type { Batch } from './reader.ts'
export { createRoom } from './room.ts'
export { startShipper } from './shipper.ts'
export { openSpool, type Spool } from './spool.ts'
