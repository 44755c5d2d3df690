import {
  AppError,
  CATALOGUE,
  type CatalogueOp,
  type Change,
  isoTime,
  type OrganizationOp,
} from '@valetkey/sdk/core'
import { send } from './in-flight.ts'
import { prepareInsert, prepareQuery } from './prepared.ts'
import type { Tx } from './store.ts'

/** The revisions that a transaction makes, by organization; their followers are woken once it is committed. */
const drafts = new WeakMap<Tx, Map<string, LoggedDraft>>()

/** What a transaction changes, as its change log says it. */
export function changesBy(tx: Tx): Change[] {
  return [...(drafts.get(tx) ?? [])].map(
    ([organization, { revision, ops }]) => ({ organization, revision, ops }) as Change,
  )
}

/** By organization, the revisions that a transaction has made so far. */
export function revisionsBy(tx: Tx): ReadonlyMap<string, Raised> {
  return new Map(drafts.get(tx))
}

/** A revision that was made, as a revision token names it. */
export interface Raised {
  revision: number
  /** The number of the organization. */
  seq: number
  /** The catalogue's revision at that moment. */
  catalogue: number
}

/** One revision of an organization (or the catalogue) in the making. */
export interface ChangeDraft extends Raised {
  /** Appends what enforcement points will apply. */
  log(op: CatalogueOp | OrganizationOp): Promise<void>
  /** The same for many, in a few statements. */
  logAll(ops: readonly (CatalogueOp | OrganizationOp)[]): Promise<void>
}

/** With all that was logged so far, in its order. */
interface LoggedDraft extends ChangeDraft {
  ops: readonly (CatalogueOp | OrganizationOp)[]
}

/**
 * Raises an organization's revision, which locks its row: writers of one organization queue up, so that its revisions
 * are committed in order and without gaps. Called first in every write that changes facts: what is read after it cannot
 * be changed by another writer of the organization before this one commits. A transaction makes one revision of an
 * organization, however often it begins.
 */
export async function beginChange(
  tx: Tx,
  organization: string,
  by: { actor: string; now: number },
): Promise<ChangeDraft> {
  const begun = drafts.get(tx) ?? new Map<string, LoggedDraft>()
  const draft = begun.get(organization) ?? (await raiseRevision(tx, organization, by))
  drafts.set(tx, begun.set(organization, draft))
  return draft
}

const raise = prepareQuery((db, { id }: { id: string }) =>
  db
    .updateTable('organization')
    .set(eb => ({ revision: eb('revision', '+', 1) }))
    .where('id', '=', id)
    .returning(eb => [
      'revision',
      'seq',
      eb
        .selectFrom('organization as other')
        .select('other.revision')
        .where('other.id', '=', CATALOGUE)
        .as('catalogue'),
    ]),
)

const insertRows = prepareInsert('changeLog', [
  'organizationId',
  'revision',
  'ord',
  'fact',
  'factId',
  'value',
  'actor',
  'at',
])

async function raiseRevision(
  tx: Tx,
  organization: string,
  by: { actor: string; now: number },
): Promise<LoggedDraft> {
  const [raised] = await raise(tx, { id: organization })
  if (!raised) throw new AppError('not_found', `No organization "${organization}".`)
  const { revision, seq } = raised
  const logged: (CatalogueOp | OrganizationOp)[] = []
  const toRow = (op: CatalogueOp | OrganizationOp) => ({
    organizationId: organization,
    revision,
    ord: logged.push(op) - 1,
    fact: op.fact,
    factId: op.id,
    value: op.value === null ? null : JSON.stringify(op.value),
    actor: by.actor,
    at: isoTime(by.now),
  })
  return {
    revision,
    seq,
    // What the statement reads of the row that it changes is how it was.
    catalogue: organization === CATALOGUE ? revision : (raised.catalogue ?? 0),
    ops: logged,
    log: op => send(tx, insertRows(tx, [toRow(op)])),
    logAll: ops => send(tx, insertRows(tx, ops.map(toRow))),
  }
}
