/** The spool hides how audit records become durable on local disk and reach the authority: files, commits, crashes, retries. */
export type { SpoolFile, SpoolFilePort } from './file.ts'
export type { Batch, BatchLimits } from './reader.ts'
export { type Shipper, type ShipperOptions, startShipper } from './shipper.ts'
export { type Backlog, openSpool, type Spool, type SpoolOptions } from './spool.ts'
