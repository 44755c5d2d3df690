import type { Tx } from '../store.ts'

/**
 * What people and the agents that act for them need: invitations to sign in, the addresses that clients return to, and
 * refresh tokens by family. Of invitations only hashes are kept; refresh tokens are derived, and kept nowhere.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table invitation (
    id text primary key, organization_id text not null, person_id text not null, hash text not null unique,
    created_at text not null, created_by text not null, expires_at text not null, used_at text,
    foreign key (organization_id, person_id) references principal(organization_id, id))`,
  `create index invitation_person on invitation (organization_id, person_id)`,

  `create table client_registration (
    client_id text primary key, kind text not null, name text not null, uri text, redirect_uris text not null,
    authentication text not null, registered_from text not null, created_at text not null, expires_at bigint)`,
  `create index client_registration_expiry on client_registration (expires_at)`,

  `create table refresh_family (
    id text primary key, organization_id text not null references organization(id), client_id text not null,
    grant_id text not null references "grant"(id), audience text not null, scopes text not null,
    counter bigint not null, rotated_at bigint not null, created_at text not null, expires_at bigint not null,
    revoked_at text)`,
  `create index refresh_family_grant on refresh_family (grant_id)`,
  `create index refresh_family_expiry on refresh_family (expires_at)`,
]
