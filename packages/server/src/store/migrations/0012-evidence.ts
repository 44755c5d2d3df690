import type { Tx } from '../store.ts'

/** The keys that logs are signed with, how long evidence is kept, and what must be kept longer. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table log_key (
    id text primary key, public_key text not null, sealed_seed text not null, state text not null, created_at text not null)`,
  `create unique index log_key_active on log_key (state) where state = 'active'`,
  `create table evidence_retention (
    organization_id text not null, kind text not null, days integer not null, primary key (organization_id, kind))`,
  `create table evidence_hold (
    id text primary key, organization_id text not null, person_id text, reason text not null,
    created_at text not null, created_by text not null, released_at text)`,
  `create index evidence_hold_organization on evidence_hold (organization_id)`,
  // All facts of an organization as they were when older changes were forgotten: later revisions can be rebuilt from it.
  `create table policy_base (organization_id text primary key, revision bigint not null, facts text not null)`,
]
