import type { Tx } from '../store.ts'

/** Who reads the evidence to its end and goes on from there, how far each has read, and where records are sent. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table evidence_follower (
    id text primary key, holder text not null, lease_until bigint not null, created_at text not null)`,
  `create table evidence_position (
    follower_id text not null, log text not null, position bigint not null, primary key (follower_id, log)) without rowid`,
  // organization_id is empty for a sink of the environment, which the configuration names.
  `create table sink (
    id text primary key, organization_id text not null, name text not null, kind text not null, url text not null,
    format text not null, takes text not null, authority text, sealed_secrets text, header_names text not null,
    status text not null, sent bigint not null, last_sent_at text, failing_since text, failures integer not null,
    last_error text, retry_at bigint not null, created_at text not null, created_by text not null)`,
  `create unique index sink_name on sink (organization_id, name)`,
]
