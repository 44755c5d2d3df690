import type { Tx } from '../store.ts'

/** Whose signed word organizations take. */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table trusted_issuer (
    id text primary key, organization_id text not null references organization(id), name text not null, kind text not null,
    issuer text not null, jwks_uri text, jwks text, reusable integer not null, by_email integer not null, tenant text,
    created_at text not null, created_by text not null, unique (organization_id, name))`,
  `create index trusted_issuer_issuer on trusted_issuer (issuer, kind)`,
  `create table trusted_issuer_rule (
    organization_id text not null, issuer_id text not null references trusted_issuer(id), agent_id text not null,
    claims text not null, credential_id text not null references credential(id), primary key (credential_id))`,
  `create index trusted_issuer_rule_issuer on trusted_issuer_rule (issuer_id)`,
]
