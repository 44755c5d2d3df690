import { CompiledQuery, sql } from 'kysely'
import type { Store, Tx } from '../../store/index.ts'
import { withoutEntries } from '../bundle.ts'
import { KIND, runsOf } from '../entry.ts'
import { type Expiry, expiredRows } from '../retention/expiry.ts'
import { holdGrowth } from './logs.ts'
import type { Names } from './names.ts'
import { POSTGRES_TABLES, spanOfWeek } from './schema.ts'

/** So many go in one transaction. */
const MOST_AT_ONCE = 5_000

/**
 * Takes out what has to go: of those entries only the hashes stay, so that all others can be proved. Partitions that hold
 * no call and no change any more are dropped. Of several nodes one does it.
 */
export async function expireRecords(
  store: Store,
  names: Names,
  expiries: readonly Expiry[],
): Promise<number> {
  let gone = 0
  for (const expiry of expiries) {
    const held = [...(await names.find([...expiry.held])).values()]
    const { rows: logs } = await sql<{
      id: number
    }>`select id from audit_log where name = ${expiry.log}`.execute(store.db)
    for (const { id } of logs)
      for (let some = -1; some !== 0; gone += some)
        some = await store.write(async tx =>
          (await mayGo(tx, expiry)) ? expireSome(tx, { ...expiry, id, held }) : 0,
        )
  }
  if (gone > 0) await dropWeeks(store, Math.max(...expiries.map(({ before }) => before)))
  return gone
}

/** A hold that was placed on another node since is heeded from its commit on: it has waited for what went before. */
async function mayGo(tx: Tx, { log, holds }: Expiry): Promise<boolean> {
  if (!(await isMyTurn(tx))) return false
  const { rows } = await sql<{ id: string }>`
    select id from evidence_hold where organization_id = ${log} and released_at is null`.execute(tx)
  return rows.every(({ id }) => holds.includes(id))
}

export async function standStill(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(7310951)`.execute(tx)
}

async function isMyTurn(tx: Tx): Promise<boolean> {
  const { rows } = await sql<{ mine: boolean }>`select pg_try_advisory_xact_lock(7310951) as mine`.execute(tx)
  return rows[0]?.mine === true
}

interface ExpiredRow {
  seq: number
  at: number
  idx: number
}

async function expireSome(
  tx: Tx,
  expiry: Pick<Expiry, 'kinds' | 'before'> & { id: number; held: number[] },
): Promise<number> {
  const { id, kinds, before, held } = expiry
  let position = 0
  const text = `select r.seq, r.at, r.idx ${expiredRows(POSTGRES_TABLES.row, held)} order by r.at limit ?`
  const numbered = text.replaceAll('?', () => `$${++position}`)
  const [first = -1, second = first] = kinds
  const query = CompiledQuery.raw(numbered, [id, first, second, before, MOST_AT_ONCE])
  const rows = (await tx.executeQuery(query)).rows as ExpiredRow[]
  if (rows.length === 0) return 0
  await holdGrowth(tx, id)
  for (const run of runsOf(rows.map(({ idx }) => idx).sort((a, b) => a - b)))
    if (Array.isArray(run)) await forget(tx, id, run)
  const seqs = rows.map(({ seq }) => seq)
  const [from, to] = [rows.reduce((least, { at }) => Math.min(least, at), before), before]
  for (const table of [POSTGRES_TABLES.term, POSTGRES_TABLES.row])
    await sql`delete from ${sql.raw(table)} where seq = any(${seqs}::bigint[]) and at >= ${from} and at < ${to}`.execute(
      tx,
    )
  return rows.length
}

/** Rows are locked, so that packing them anew does not bring back what is gone. */
async function forget(tx: Tx, log: number, run: [number, number]): Promise<void> {
  const { rows } = await sql<{ first: number; count: number; entries: Buffer; data: Buffer | null }>`
    select first, count, entries, data from audit_bundle
    where log = ${log} and first + count > ${run[0]} and first > ${run[0] - LONGEST_BUNDLE} and first < ${run[0] + run[1]}
    order by first for update`.execute(tx)
  for (const held of rows) {
    const { entries, data } = withoutEntries(held, run)
    await sql`update audit_bundle set entries = ${entries}, data = ${data}
      where log = ${log} and first = ${held.first}`.execute(tx)
  }
}

/** A bundle never crosses the edge of a tile. */
const LONGEST_BUNDLE = 256

/** Partitions whose time is over and in which there is nothing left but what points vouched for; that stays in the logs. */
async function dropWeeks(store: Store, before: number): Promise<void> {
  const { rows } = await sql<{ week: number }>`select week from audit_week order by week`.execute(store.db)
  for (const { week } of rows) {
    const { from, to } = spanOfWeek(week)
    if (to > before) continue
    await store.write(async tx => {
      if (!(await isMyTurn(tx))) return
      await sql`select pg_advisory_xact_lock(7310950)`.execute(tx)
      const { rows: left } = await sql`select 1 from audit_record
        where at >= ${from} and at < ${to} and kind = any(${[KIND.attempt, KIND.outcome, KIND.event]}::smallint[])
        limit 1`.execute(tx)
      if (left.length > 0) return
      for (const table of ['record', 'term'])
        await sql.raw(`drop table if exists audit_${table}_w${week}`).execute(tx)
      await sql`delete from audit_week where week = ${week}`.execute(tx)
    })
  }
}
