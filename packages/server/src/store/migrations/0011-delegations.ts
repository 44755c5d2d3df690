import type { Tx } from '../store.ts'

/**
 * Agents that let other agents act, keys that can be taken back for a while, and tokens that are bound to a key. Of a handle by which a delegation is
 * handed over only the hash is kept. `delegation_path` holds, for every link, all links from the root down to itself.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table delegation_rule (
    id text primary key, organization_id text not null references organization(id), delegator text not null,
    delegate text not null, scopes text, beyond text not null, created_at text not null, created_by text not null,
    unique (organization_id, delegator, delegate))`,
  `create table delegation (
    id text primary key, organization_id text not null, delegator_id text not null, delegate_id text not null,
    parent_id text references delegation(id), grant_id text references "grant"(id), rule_id text not null,
    credential_id text not null references credential(id), scopes text not null, resources text not null,
    condition text, hops integer not null, purpose text not null, handle_hash text not null unique,
    handle_expires_at bigint not null, created_at text not null, activated_at text, expires_at text not null,
    ended_at text, ending text,
    foreign key (organization_id, delegator_id) references agent(organization_id, id),
    foreign key (organization_id, delegate_id) references agent(organization_id, id))`,
  `create index delegation_by on delegation (organization_id, delegator_id, id)`,
  `create index delegation_to on delegation (organization_id, delegate_id, id)`,
  `create index delegation_rule_of on delegation (rule_id)`,
  `create index delegation_expiry on delegation (organization_id, ended_at, expires_at)`,
  `create table delegation_path (
    delegation_id text not null references delegation(id), position integer not null,
    ancestor_id text not null references delegation(id), primary key (delegation_id, position)) without rowid`,
  `create index delegation_path_below on delegation_path (ancestor_id)`,
  `create index delegation_grant on delegation (grant_id)`,
  `create index delegation_credential on delegation (credential_id)`,
  ...['credential', '"grant"', 'delegation', 'tool'].map(
    table => `alter table ${table} add column frozen_at text`,
  ),
  `alter table revoked_token add column frozen integer not null default 0`,
  `alter table agent add column dpop integer not null default 0`,
  `alter table refresh_family add column jkt text`,
]
