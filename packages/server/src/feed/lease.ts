import { setImmediate as nextTurn } from 'node:timers/promises'
import { isoTime, type LeaseRequest, type LeaseResponse } from '@valetkey/sdk/core'
import { sql } from 'kysely'
import type { Store, Tx } from '../store/index.ts'

export interface LeaseTerms {
  leaseMs: number
  dangerousLeaseMs: number
}

/** What a start of a point asks for, by the SHA-256 of its session token. */
export interface Renewal {
  session: string
  request: LeaseRequest
}

const ROWS_PER_INSERT = 500

/**
 * Lets points go on deciding, and says up to where each must have applied the changes first. Undefined for who
 * has no session: it was fenced, its server key was revoked, or there never was one.
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
    const extended = await extendLeases(store, tx, renewals, { leaseMs: terms.leaseMs, now })
    await writeAcknowledgements(tx, extended)
    return extended
  })
  const heads = await readHeads(
    store,
    live.map(({ session }) => session),
  )
  return renewals.map(({ session }) => {
    const own = heads.get(session)
    return own && { ...terms, heads: own }
  })
}

type LiveRenewal = Renewal & { point: string }

/** Gives those renewals whose sessions are live, with their points. */
async function extendLeases(
  store: Store,
  tx: Tx,
  renewals: readonly Renewal[],
  { leaseMs, now }: { leaseMs: number; now: number },
): Promise<LiveRenewal[]> {
  const rows = await tx
    .updateTable('enforcementPoint')
    .set({ leaseUntil: sql<number>`${store.time()} + ${leaseMs}`, lastSeenAt: isoTime(now) })
    .where(
      'sessionHash',
      'in',
      renewals.map(({ session }) => session),
    )
    .where('serverKeyId', 'in', eb =>
      eb.selectFrom('serverKey').select('serverKey.id').where('serverKey.revokedAt', 'is', null),
    )
    .returning(['sessionHash', 'id'])
    .execute()
  const points = new Map(rows.map(({ sessionHash, id }) => [sessionHash, id]))
  return renewals.flatMap(renewal => {
    const point = points.get(renewal.session)
    return point === undefined ? [] : [{ ...renewal, point }]
  })
}

/** What a point says it has applied it also holds; what it names and nobody knows gets no head, and so no lease. */
async function writeAcknowledgements(tx: Tx, renewals: readonly LiveRenewal[]): Promise<void> {
  const said = new Map<string, { point: string; organization: string; revision: number }>()
  for (const { point, request } of renewals) {
    await dropOrganizations(tx, point, request.dropped)
    for (const organization of request.dropped) said.delete(`${point} ${organization}`)
    // A point that is there twice in one batch: one row, what it said last.
    for (const [organization, revision] of Object.entries(request.applied))
      if (!request.dropped.includes(organization))
        said.set(`${point} ${organization}`, { point, organization, revision })
  }
  const all = [...said.values()]
  for (let i = 0; i < all.length; i += ROWS_PER_INSERT)
    await insertKnown(all.slice(i, i + ROWS_PER_INSERT)).execute(tx)
}

function insertKnown(said: readonly { point: string; organization: string; revision: number }[]) {
  const rows = said.map(({ point, organization, revision }) => sql`(${point}, ${organization}, ${revision})`)
  return sql`
    insert into enforcement_point_organization (point_id, organization_id, acknowledged_revision)
    select said.column1, organization.id, cast(said.column3 as bigint)
    from (values ${sql.join(rows)}) as said join organization on organization.id = said.column2
    where true
    on conflict (point_id, organization_id) do update set acknowledged_revision = excluded.acknowledged_revision`
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
  sessions: readonly string[],
): Promise<Map<string, Record<string, number>>> {
  const heads = new Map<string, Record<string, number>>()
  if (sessions.length === 0) return heads
  const rows = await store.db
    .selectFrom('enforcementPoint')
    .leftJoin('enforcementPointOrganization', 'enforcementPointOrganization.pointId', 'enforcementPoint.id')
    .leftJoin('organization', 'organization.id', 'enforcementPointOrganization.organizationId')
    .where('sessionHash', 'in', sessions)
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
 * Renewals that come together, or while the last ones are being written, are written together: after a change every point
 * renews at the same moment, to acknowledge it, and a commit of its own for each would make the last one wait for all.
 */
export function createRenewals(
  store: Store,
  terms: LeaseTerms,
  now: () => number,
): (renewal: Renewal) => Promise<LeaseResponse | undefined> {
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
      // Requests that have arrived already are read first.
      await nextTurn()
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
    new Promise((answer, fail) => {
      waiting.push({ ...renewal, answer, fail })
      void run()
    })
}
