import { isoTime, type LeaseRequest, type LeaseResponse } from '@valetkey/sdk/core'
import type { Store, Tx } from '../store/index.ts'
import { fencedError, type Session } from './session.ts'

export interface LeaseTerms {
  leaseMs: number
  dangerousLeaseMs: number
}

export interface Renewal {
  session: Session
  request: LeaseRequest
}

const ROWS_PER_INSERT = 500

/**
 * Lets points go on deciding, and says up to where each must have applied the changes first. Undefined for a start that
 * was fenced.
 *
 * The order is what revocation rests on, as in Dekker's mutual exclusion: each side first writes, commits, and only
 * then reads what the other wrote.
 *
 *     point's renewal                      a revocation
 *     1. commit: lease runs until T        1. commit: head is R
 *     2. read: the heads                   2. read: leases and acknowledgements
 *
 * Whichever of the two commits is later, its reader sees the other's write. Either the revocation sees the lease and
 * waits until the point has acknowledged R or T has passed, or the renewal sees R and the lease holds only once R is
 * applied. With 2 before 1 both could miss each other: a lease that nobody waits for, on a replica that does not know R.
 * The two must be transactions of their own, since what an open transaction wrote nobody else sees.
 */
export async function renewLeases(
  store: Store,
  renewals: readonly Renewal[],
  terms: LeaseTerms,
  now: number,
): Promise<(LeaseResponse | undefined)[]> {
  const live = await store.write(async tx => {
    const leaseUntil = (await store.clock(tx)) + terms.leaseMs
    const extended = await extendLeases(tx, renewals, leaseUntil, now)
    await writeAcknowledgements(tx, extended)
    return extended
  })
  const heads = await readHeads(store, live)
  return renewals.map(renewal => {
    const own = live.includes(renewal) ? heads.get(renewal.session.hash) : undefined
    return own && { ...terms, heads: own }
  })
}

/** Gives those renewals whose starts were not fenced meanwhile. */
async function extendLeases(
  tx: Tx,
  renewals: readonly Renewal[],
  leaseUntil: number,
  now: number,
): Promise<Renewal[]> {
  const hashes = renewals.map(({ session }) => session.hash)
  const rows = await tx
    .updateTable('enforcementPoint')
    .set({ leaseUntil, lastSeenAt: isoTime(now) })
    .where('sessionHash', 'in', hashes)
    .returning('sessionHash')
    .execute()
  const live = new Set(rows.map(row => row.sessionHash))
  return renewals.filter(({ session }) => live.has(session.hash))
}

/** What a point says it has applied it also holds; what it names and nobody knows gets no head, and so no lease. */
async function writeAcknowledgements(tx: Tx, renewals: readonly Renewal[]): Promise<void> {
  const named = new Set(renewals.flatMap(({ request }) => Object.keys(request.applied)))
  const known =
    named.size === 0
      ? []
      : await tx
          .selectFrom('organization')
          .where('id', 'in', [...named])
          .select('id')
          .execute()
  const rows = new Map<string, { pointId: string; organizationId: string; acknowledgedRevision: number }>()
  for (const { session, request } of renewals) {
    await dropOrganizations(tx, session.point, request.dropped)
    for (const id of request.dropped) rows.delete(`${session.point} ${id}`)
    for (const { id: organizationId } of known) {
      const acknowledgedRevision = request.applied[organizationId]
      if (acknowledgedRevision === undefined || request.dropped.includes(organizationId)) continue
      // A point that is there twice in one batch: one row, what it said last.
      const row = { pointId: session.point, organizationId, acknowledgedRevision }
      rows.set(`${session.point} ${organizationId}`, row)
    }
  }
  const all = [...rows.values()]
  for (let i = 0; i < all.length; i += ROWS_PER_INSERT)
    await tx
      .insertInto('enforcementPointOrganization')
      .values(all.slice(i, i + ROWS_PER_INSERT))
      .onConflict(conflict =>
        conflict.columns(['pointId', 'organizationId']).doUpdateSet(eb => ({
          acknowledgedRevision: eb.ref('excluded.acknowledgedRevision'),
        })),
      )
      .execute()
}

async function dropOrganizations(tx: Tx, point: string, dropped: readonly string[]): Promise<void> {
  if (dropped.length === 0) return
  await tx
    .deleteFrom('enforcementPointOrganization')
    .where('pointId', '=', point)
    .where('organizationId', 'in', dropped)
    .execute()
}

/**
 * By session and organization. A start that was fenced since its lease was written has none: what its point holds by now
 * is what the later start does, and without a head of all that it holds itself it must not go on.
 */
async function readHeads(
  store: Store,
  renewals: readonly Renewal[],
): Promise<Map<string, Record<string, number>>> {
  const heads = new Map<string, Record<string, number>>()
  if (renewals.length === 0) return heads
  const hashes = renewals.map(({ session }) => session.hash)
  const rows = await store.db
    .selectFrom('enforcementPoint')
    .leftJoin('enforcementPointOrganization', 'enforcementPointOrganization.pointId', 'enforcementPoint.id')
    .leftJoin('organization', 'organization.id', 'enforcementPointOrganization.organizationId')
    .where('sessionHash', 'in', hashes)
    .select(['sessionHash', 'organization.id', 'organization.revision'])
    .execute()
  for (const { sessionHash, id, revision } of rows) {
    const own = heads.get(sessionHash) ?? {}
    if (id !== null && revision !== null) own[id] = revision
    heads.set(sessionHash, own)
  }
  return heads
}

const MOST_AT_ONCE = 200

/**
 * Renewals that come while the last ones are being written are written together: after a change every point renews at
 * the same moment, to acknowledge it, and a commit of its own for each would make the last one wait for all.
 */
export function createRenewals(
  store: Store,
  terms: LeaseTerms,
  now: () => number,
): (renewal: Renewal) => Promise<LeaseResponse> {
  interface Waiting extends Renewal {
    answer(response: LeaseResponse | undefined): void
    fail(fault: unknown): void
  }
  const waiting: Waiting[] = []
  let running = false

  async function run(): Promise<void> {
    if (running) return
    running = true
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MOST_AT_ONCE)
      try {
        const answers = await renewLeases(store, batch, terms, now())
        for (const [i, { answer }] of batch.entries()) answer(answers[i])
      } catch (fault) {
        for (const { fail } of batch) fail(fault)
      }
    }
    running = false
  }

  return renewal =>
    new Promise((resolve, reject) => {
      const answer = (response: LeaseResponse | undefined) =>
        response ? resolve(response) : reject(fencedError())
      waiting.push({ ...renewal, answer, fail: reject })
      void run()
    })
}
