/**
 * Hides which database there is. What it guarantees on both: a write is durable when `write` resolves; every write that
 * changes facts raises its organization's revision by one, and revisions become visible in order and without gaps;
 * the change log holds all that a follower needs to go from one revision to the next; nothing is half written.
 */
export { beginChange, type ChangeDraft } from './change.ts'
export { openStore, type StoreOptions } from './open.ts'
export type { Database } from './schema.ts'
export { createSecretBox, hashSecret, type SecretBox } from './secret-box.ts'
export type { Db, Store, Tx } from './store.ts'
