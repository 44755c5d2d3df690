import type { Tx } from '../store.ts'

/**
 * Security events that go out to receivers (Shared Signals) and come in from identity providers. `signal_cursor` is how far an organization's change log has
 * been turned into events; an event waits in `signal_event` until its receiver has said that it has it.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table signal_key (
    kid text primary key, public_jwk text not null, sealed_private_jwk text not null, created_at text not null)`,
  `create table signal_receiver (
    id text primary key, organization_id text not null references organization(id), name text not null,
    credential_id text not null, secret_hash text not null, audience text not null, push_origin text, subjects text not null,
    created_at text not null, created_by text not null, last_used_at text, unique (organization_id, name))`,
  `create table signal_stream (
    id text primary key, receiver_id text not null unique references signal_receiver(id) on delete cascade,
    organization_id text not null references organization(id), status text not null, reason text not null,
    delivery text not null, endpoint text, sealed_authorization text, events text not null, description text not null,
    created_at text not null, sequence bigint not null, failures integer not null, next_try_at bigint not null,
    claimed_until bigint not null, last_delivered_at text, last_fault text, verified_at bigint not null)`,
  `create index signal_stream_of on signal_stream (organization_id)`,
  `create table signal_event (
    id text primary key, stream_id text not null references signal_stream(id) on delete cascade,
    sequence bigint not null, is_control integer not null, body text not null, unique (stream_id, sequence))`,
  `create table signal_cursor (
    organization_id text primary key references organization(id), revision integer not null)`,
  `create table signal_source (
    id text primary key, organization_id text not null references organization(id), name text not null,
    provider_id text not null, issuer text not null, jwks_uri text not null, audience text not null, poll_url text,
    sealed_authorization text, created_at text not null, created_by text not null, last_heard_at text,
    last_fault text, next_poll_at bigint not null, unique (organization_id, name),
    foreign key (organization_id, provider_id) references identity_provider(organization_id, id) on delete cascade)`,
  `create index signal_source_provider on signal_source (organization_id, provider_id)`,
]
