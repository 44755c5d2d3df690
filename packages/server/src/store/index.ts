/**
 * Hides which database there is, and keeps these promises on SQLite and PostgreSQL alike.
 *
 * **Durable.** When `write` resolves, the change is on the disk: SQLite runs with `synchronous=FULL`, PostgreSQL with
 * `fsync` and `synchronous_commit`, and a database that does not is refused (`store.durability`). A process killed at
 * any moment loses nothing that was acknowledged, and a change that was not finished leaves nothing behind.
 *
 * **In order.** A write that changes facts calls `beginChange` first: it raises the revision of its organization (or of
 * the catalogue) by one and holds that row until the commit. So the writers of one organization follow each other,
 * revisions have no gaps and become visible in their order, and whoever reads revision R finds every row of the change
 * log up to R, and in the tables nothing of R + 1 that is not wholly there. Writers of different organizations do not
 * wait for each other (PostgreSQL). There is no order across organizations.
 *
 * **What a reader sees.** A statement on `db` sees what was committed when it began, and nothing else. Several
 * statements see one moment in `read`. In `write`, on PostgreSQL, each statement sees what others have committed until
 * then: what must hold from one statement to the next rests on `beginChange` or on a constraint of the tables.
 * References between rows carry the organization, so that no row can point into another organization.
 *
 * **What nobody waits for.** A statement that is given to `send` goes with those after it, at the latest with the commit,
 * and is worked off in its place; if it fails, so does the write, with its reason. The change log and the audit event are
 * sent so.
 *
 * **When the database goes away.** Every call fails with `store.unavailable`, reads too; the connections come back by
 * themselves with the database. A write that failed before its commit did not happen. If the answer to the commit
 * itself is missing, nobody here can know: the write fails, the message says so, and it is never tried again silently.
 * Tried again, from its beginning, is only what PostgreSQL says it has undone (a deadlock, a serialization failure).
 *
 * **Who may open it.** A SQLite file belongs to one process, which holds a lock beside it (`store.locked` for a second
 * one, after two seconds); it ends with the process, however that ends. PostgreSQL takes any number of nodes. Nodes
 * that start together do not race in the migration, and a database of a newer version is refused (`store.newer`).
 * PgBouncer is fine in session mode only: notifications and time limits belong to a connection.
 *
 * **Hints.** `onChange` is for being fast, never for being right: a follower reads revisions.
 */
export { beginChange, type ChangeDraft, type Raised, revisionsBy } from './change.ts'
export { violation } from './faults.ts'
export { send } from './in-flight.ts'
export { openStore } from './open.ts'
export { prepareInsert, prepareListQuery, prepareQuery } from './prepared.ts'
export type { Database } from './schema.ts'
export { hashSecret, type SecretBox } from './secret-box.ts'
export type { Db, Store, Tx } from './store.ts'
