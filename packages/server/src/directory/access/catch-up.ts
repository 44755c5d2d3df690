import { CATALOGUE } from '@valetkey/sdk/core'
import type { Snapshot } from '@valetkey/sdk/engine'
import type { Db } from '../../store/index.ts'
import { loadCatalogue, loadOrganization } from '../facts.ts'
import { readTail } from './change-log.ts'

/**
 * Brings an organization (or the catalogue) of a snapshot to its newest revision, change by change; only what is not
 * held yet, or whose changes are gone from the log, is loaded whole.
 */
export async function catchUp(snapshot: Snapshot, db: Db, id: string, now: number): Promise<void> {
  for (let held = snapshot.revisionOf(id) ?? -1; held >= 0; held = snapshot.revisionOf(id) ?? -1) {
    const tail = await readTail(db, id, held)
    if (tail === 'gone' || !tail.changes.every(change => snapshot.apply(change))) break
    if ((snapshot.revisionOf(id) ?? -1) >= tail.head) return
  }
  await reload(snapshot, db, id, now)
}

/** Loads an organization (or the catalogue) whole, whatever is held of it. */
export async function reload(snapshot: Snapshot, db: Db, id: string, now: number): Promise<void> {
  snapshot.load(id === CATALOGUE ? await loadCatalogue(db) : await loadOrganization(db, id, now))
}
