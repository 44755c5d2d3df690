import type { Tx } from '../store.ts'

/**
 * How the people of an organization may prove who they are, what they have to prove it by, and how often it was tried.
 * Secrets of authenticator apps are sealed; of recovery codes and links only hashes are kept.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const OF_PERSON = 'foreign key (organization_id, person_id) references principal(organization_id, id)'

const STATEMENTS = [
  // A session counts while its epoch is its person's: raising it ends them all, in the transaction that says why.
  `alter table principal add column session_epoch bigint not null default 0`,

  `create table sign_in_policy (
    organization_id text primary key references organization(id), methods text not null, second_factor text not null,
    session_minutes bigint not null)`,

  `create table totp (
    id text primary key, organization_id text not null, person_id text not null unique, sealed_secret text not null,
    last_step bigint not null, created_at text not null, last_used_at text, ${OF_PERSON})`,
  `create table recovery_code (
    hash text primary key, organization_id text not null, person_id text not null, ${OF_PERSON})`,
  `create index recovery_code_person on recovery_code (person_id)`,
  `create table passkey (
    id text primary key, organization_id text not null, person_id text not null, credential_id text not null unique,
    public_key text not null, counter bigint not null, label text not null, created_at text not null,
    last_used_at text, ${OF_PERSON})`,
  `create index passkey_person on passkey (person_id)`,

  // Of nobody too: a link that is asked for an unknown address costs the same and opens nothing.
  `create table sign_in_link (
    hash text primary key, purpose text not null, organization_id text, person_id text, browser_hash text not null,
    onward text not null,
    asked_from text not null, asked_at text not null, expires_at bigint not null,
    ${OF_PERSON})`,
  `create index sign_in_link_expiry on sign_in_link (expires_at)`,

  // One row a bucket, so that there is an end to them.
  `create table attempt (bucket text primary key, count bigint not null, ends_at bigint not null)`,
]
