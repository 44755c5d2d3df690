import type { Tx } from '../store.ts'

/** Requests for a person who is not at the client's screen. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table waiting_request (
    id text primary key, kind text not null, secret_hash text not null unique, user_code_hash text unique,
    client_id text not null, person_id text, params text not null, message text not null, asked_from text not null,
    created_at text not null, expires_at bigint not null, polled_at bigint not null, answer text, used_at text)`,
  `create index waiting_request_person on waiting_request (person_id)`,
  `create index waiting_request_expiry on waiting_request (expires_at)`,
]
