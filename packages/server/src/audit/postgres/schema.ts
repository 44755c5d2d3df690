import { NAMED } from '../entry.ts'
import type { RecordTables } from '../sqlite/schema.ts'

export const POSTGRES_TABLES: RecordTables = {
  row: 'audit_record',
  term: 'audit_term',
  bundle: 'audit_bundle',
}

/** Columns of `audit_record` with their types, in the order in which they are inserted. */
export const RECORD_COLUMNS = {
  seq: 'bigint',
  at: 'bigint',
  lag: 'bigint',
  log: 'integer',
  idx: 'bigint',
  kind: 'smallint',
  key: 'uuid',
  verdict: 'smallint',
  passed: 'smallint',
  took: 'bigint',
  ...(Object.fromEntries(NAMED.map(column => [column, 'integer'])) as Record<(typeof NAMED)[number], string>),
} as const

const NULLABLE: ReadonlySet<string> = new Set(['verdict', 'passed', 'took', ...NAMED])

const WEEK_MS = 7 * 24 * 3_600_000

/** The partition that a time falls into. */
export function weekOf(at: number): number {
  return Math.floor(at / WEEK_MS)
}

export function spanOfWeek(week: number): { from: number; to: number } {
  return { from: week * WEEK_MS, to: (week + 1) * WEEK_MS }
}

export function createWeek(week: number): string[] {
  const { from, to } = spanOfWeek(week)
  return ['record', 'term'].map(
    table =>
      `create table if not exists audit_${table}_w${week} partition of audit_${table} for values from (${from}) to (${to})`,
  )
}

/** One list of statements a version; forward only, never edited after a release. */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [],
  [],
  [],
  [
    // What versions before the first release kept.
    ...['call', 'outcome', 'change', 'point', 'gap', 'resource'].map(
      table => `drop table if exists audit_${table}`,
    ),
    `create sequence audit_seq`,
    `create table audit_name (id integer generated always as identity primary key, text text collate "C" not null)`,
    `create unique index audit_name_text on audit_name (md5(text))`,
    `create table audit_log (
      id integer generated always as identity primary key, name text collate "C" not null, generation integer not null,
      entries bigint not null, unique (name, generation))`,
    // Apart from the log, so that taking entries into the tree and writing new ones do not wait for each other.
    `create table audit_tree (log integer primary key, size bigint not null, edge bytea not null, root bytea not null)`,
    `create table audit_tile (
      log integer not null, level integer not null, number bigint not null, hashes bytea not null,
      primary key (log, level, number))`,
    `alter table audit_tile alter column hashes set storage external`,
    `create table audit_note (
      log integer not null, size bigint not null, note text not null, anchor smallint not null, cosigned smallint not null,
      primary key (log, size))`,
    `create table audit_point (
      point text collate "C" not null, epoch bigint not null, highest bigint not null, primary key (point, epoch))`,
    `create table audit_gap (
      point text collate "C" not null, epoch bigint not null, first bigint not null, last bigint not null,
      primary key (point, epoch, first))`,
    `create table audit_odd (
      key uuid not null, kind smallint not null, log integer not null, idx bigint not null, primary key (key, kind))`,
    `create table audit_bundle (
      log integer not null, first bigint not null, count integer not null, entries bytea not null, data bytea,
      primary key (log, first))`,
    // It is compressed already.
    `alter table audit_bundle alter column entries set storage external`,
    `alter table audit_bundle alter column data set storage external`,
    `create table audit_record (${Object.entries(RECORD_COLUMNS)
      .map(([name, type]) => `${name} ${type}${NULLABLE.has(name) ? '' : ' not null'}`)
      .join(', ')}) partition by range (at)`,
    `create table audit_term (term bigint not null, at bigint not null, seq bigint not null) partition by range (at)`,
    `create index audit_term_at on audit_term (term, at)`,
    `create index audit_record_log on audit_record (log, at)`,
    `create index audit_record_seq on audit_record using brin (seq) with (pages_per_range = 32)`,
    `create index audit_record_at on audit_record using brin (at) with (pages_per_range = 32)`,
    `create index audit_record_key on audit_record (key)`,
    `create index audit_record_actor on audit_record (actor, at) where actor is not null`,
    `create index audit_record_person on audit_record (person, at) where person is not null`,
    `create index audit_record_grant on audit_record (grant_id, at) where grant_id is not null`,
    `create table audit_week (week integer primary key)`,
  ],
]
