import { NAMED } from '../entry.ts'

/** Columns of a record as it is searched by. `seq` is the order of arrival. */
export const ROW_COLUMNS = [
  'seq',
  'at',
  'lag',
  'log',
  'idx',
  'kind',
  'key',
  'verdict',
  'passed',
  'took',
  ...NAMED,
] as const

/** Names of the tables that hold records: of a head, which is still written to, or of a segment, which never is again. */
export interface RecordTables {
  row: string
  term: string
  bundle: string
}

export const SEGMENT_TABLES: RecordTables = { row: 'record', term: 'term', bundle: 'bundle' }

export function headTables(head: number): RecordTables {
  return { row: `head_record_${head}`, term: `head_term_${head}`, bundle: `head_bundle_${head}` }
}

/** What a head has: nothing but what ingest itself needs, since every index costs a page for every record. */
export function createHead(head: number): string[] {
  const { row, term, bundle } = headTables(head)
  return [
    `create table ${row} (${rowColumns()})`,
    // Ids sort by age, so this one costs one hot page.
    `create unique index ${row}_key on ${row} (key, kind)`,
    `create table ${term} (term integer not null, at integer not null, seq integer not null)`,
    createBundle(bundle),
    `create index ${bundle}_first on ${bundle} (log, first)`,
  ]
}

export function dropHead(head: number): string[] {
  const { row, term, bundle } = headTables(head)
  return [row, term, bundle].map(table => `drop table ${table}`)
}

/** What a segment has before its records are in it. */
export function createSegment(schema: string): string[] {
  const { row, term, bundle } = SEGMENT_TABLES
  return [
    `create table ${schema}.${row} (${rowColumns()})`,
    `create table ${schema}.${term} (
      term integer not null, at integer not null, seq integer not null,
      primary key (term, at, seq)) without rowid`,
    createBundle(`${schema}.${bundle}`),
  ]
}

/** Built once over what is there: a tenth of what it costs to keep them record by record. */
export function indexSegment(schema: string): string[] {
  const { row, bundle } = SEGMENT_TABLES
  const index = (name: string, columns: string, where = '') =>
    `create index ${schema}.${row}_${name} on ${row} (${columns})${where}`
  return [
    index('log', 'log, at'),
    index('key', 'key'),
    index('actor', 'actor, at', ' where actor is not null'),
    index('person', 'person, at', ' where person is not null'),
    index('grant', 'grant_id, at', ' where grant_id is not null'),
    `create unique index ${schema}.${bundle}_first on ${bundle} (log, first)`,
  ]
}

function rowColumns(): string {
  const named = NAMED.map(column => `${column} integer`)
  return `seq integer primary key, at integer not null, lag integer not null, log integer not null, idx integer not null,
    kind integer not null, key blob not null, verdict integer, passed integer, took integer, ${named.join(', ')}`
}

function createBundle(table: string): string {
  return `create table ${table} (
    log integer not null, first integer not null, count integer not null, entries blob not null, data blob)`
}

/** The file that everything else is found from; forward only, never edited after a release. */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `create table name (id integer primary key, text text not null unique)`,
    `create table log (
      id integer primary key, name text not null, generation integer not null, entries integer not null,
      size integer not null, edge blob not null, root blob not null, unique (name, generation))`,
    `create table tile (
      log integer not null, level integer not null, number integer not null, hashes blob not null,
      primary key (log, level, number)) without rowid`,
    `create table note (
      log integer not null, size integer not null, note text not null, anchor integer not null, cosigned integer not null,
      primary key (log, size)) without rowid`,
    `create table point (
      point text not null, epoch integer not null, highest integer not null, primary key (point, epoch)) without rowid`,
    `create table gap (
      point text not null, epoch integer not null, first integer not null, last integer not null,
      primary key (point, epoch, first)) without rowid`,
    // Ids that tell no time near their record's: few, and looked up here.
    `create table odd (
      key blob not null, kind integer not null, log integer not null, idx integer not null,
      primary key (key, kind)) without rowid`,
    `create table head (number integer primary key)`,
    `create table segment (
      number integer primary key, file text not null unique, records integer not null, bytes integer not null,
      first_seq integer not null, last_seq integer not null, min_at integer not null, max_at integer not null,
      min_key blob, max_key blob)`,
    // Where the entries of a log are, so that one is found without opening any other segment.
    `create table segment_log (
      log integer not null, first integer not null, last integer not null, segment integer not null,
      primary key (log, first)) without rowid`,
    `insert into head (number) values (1)`,
    ...createHead(1),
  ],
]
