import type { Tx } from '../store.ts'

/**
 * The first tables. One statement style for both databases: text, integer and bigint, no vendor types. References
 * carry the organization wherever both sides have one, so that no row can point into another organization.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const STATEMENTS = [
  `create table setting (key text primary key, value text not null)`,

  `create table organization (
    id text primary key, seq integer not null unique, slug text not null unique, name text not null,
    status text not null, revision bigint not null default 0,
    next_principal_seq integer not null default 1, next_resource_seq integer not null default 1,
    created_at text not null)`,
  `create table change_log (
    organization_id text not null references organization(id), revision bigint not null, ord integer not null,
    fact text not null, fact_id text not null, value text, actor text not null, at text not null,
    primary key (organization_id, revision, ord))`,

  `create table principal (
    organization_id text not null references organization(id), seq integer not null, id text not null unique,
    kind text not null, external_id text not null, name text not null, status text not null, created_at text not null,
    primary key (organization_id, seq), unique (organization_id, kind, external_id), unique (organization_id, id))`,
  `create table agent (
    id text primary key, organization_id text not null, owner_id text not null, purpose text not null,
    kind text not null, ceiling text not null, unique (organization_id, id),
    foreign key (organization_id, id) references principal(organization_id, id),
    foreign key (organization_id, owner_id) references principal(organization_id, id))`,
  `create table client (
    id text primary key, organization_id text not null, kind text not null, agent_id text not null,
    legacy_audience integer not null default 0, created_at text not null, unique (organization_id, agent_id, id),
    foreign key (organization_id, agent_id) references agent(organization_id, id))`,
  `create table credential (
    id text primary key, organization_id text not null, agent_id text not null, client_id text not null,
    kind text not null, secret_hash text unique, public_jwk text,
    thumbprint text unique, label text not null, created_at text not null, created_by text not null,
    expires_at text, revoked_at text, last_used_at text, last_used_from text,
    foreign key (organization_id, agent_id, client_id) references client(organization_id, agent_id, id))`,
  `create index credential_client on credential (client_id)`,
  `create index credential_agent on credential (organization_id, agent_id, id)`,

  `create table resource_type (id text primary key, slug text not null unique, name text not null)`,
  `create table resource_type_parent (
    type_id text not null references resource_type(id), parent_type_id text not null references resource_type(id),
    primary key (type_id, parent_type_id))`,
  `create table permission (
    id text primary key, slug text not null unique, type_id text not null references resource_type(id),
    bit integer not null, label text not null, risk text not null, retired_revision bigint, unique (type_id, bit))`,
  `create table role (
    id text primary key, organization_id text not null references organization(id), slug text not null,
    name text not null, type_id text not null references resource_type(id), unique (organization_id, slug))`,
  `create table role_permission (
    role_id text not null references role(id), permission_id text not null references permission(id),
    primary key (role_id, permission_id))`,

  `create table resource (
    organization_id text not null references organization(id), seq integer not null,
    type_id text not null references resource_type(id), external_id text not null, parent_seq integer,
    name text not null, created_revision bigint not null, deleted_revision bigint,
    primary key (organization_id, seq),
    foreign key (organization_id, parent_seq) references resource(organization_id, seq))`,
  `create unique index resource_live on resource (organization_id, type_id, external_id) where deleted_revision is null`,
  `create index resource_parent on resource (organization_id, parent_seq, type_id, seq)`,
  `create table assignment (
    organization_id text not null, principal_seq integer not null, resource_seq integer not null,
    role_id text not null references role(id), source text not null, source_id text not null, id text not null unique,
    expires_at text, created_revision bigint not null, created_at text not null, created_by text not null,
    primary key (organization_id, principal_seq, resource_seq, role_id, source, source_id),
    foreign key (organization_id, principal_seq) references principal(organization_id, seq),
    foreign key (organization_id, resource_seq) references resource(organization_id, seq))`,
  `create index assignment_resource on assignment (organization_id, resource_seq)`,
  `create table "grant" (
    id text primary key, organization_id text not null, agent_id text not null, person_id text not null,
    scopes text not null, resources text not null, created_at text not null, expires_at text, revoked_at text,
    foreign key (organization_id, agent_id) references agent(organization_id, id),
    foreign key (organization_id, person_id) references principal(organization_id, id))`,
  `create table revoked_token (
    id text primary key, organization_id text not null references organization(id), agent_id text not null,
    expires_at text not null)`,
  `create index revoked_token_organization on revoked_token (organization_id, expires_at)`,

  `create table server (
    id text primary key, name text not null unique, url text not null unique, mode text not null, status text not null,
    upstream_header text, upstream_secret text, created_at text not null)`,
  `create table server_key (
    id text primary key, server_id text not null references server(id), hash text not null unique, label text not null,
    created_at text not null, created_by text not null, revoked_at text, last_used_at text)`,
  `create table tool (
    id text primary key, server_id text not null references server(id), kind text not null, name text not null,
    permission_id text not null references permission(id), definition text, input_schema text, resource text,
    condition text, risk text not null, mode text, unique (server_id, kind, name))`,
  `create table seen_definition (
    server_id text not null references server(id), kind text not null, name text not null, definition text,
    description text, input_schema text, annotations text, seen_at text not null, primary key (server_id, kind, name))`,

  `create table enforcement_point (
    id text primary key, server_id text not null references server(id), server_key_id text not null references server_key(id),
    kind text not null, public_jwk text not null, sealing_jwk text, epoch integer not null, version text not null,
    session_hash text not null unique, registered_at text not null, last_seen_at text not null,
    lease_until bigint not null, fenced_until bigint not null default 0, record_counter bigint not null, record_gaps bigint not null)`,
  `create index enforcement_point_server on enforcement_point (server_id)`,
  `create table enforcement_point_organization (
    point_id text not null references enforcement_point(id), organization_id text not null references organization(id),
    acknowledged_revision bigint not null, primary key (point_id, organization_id))`,
  `create index enforcement_point_organization_by on enforcement_point_organization (organization_id)`,

  `create table signing_key (
    kid text primary key, alg text not null, state text not null, public_jwk text not null,
    sealed_private_jwk text not null, created_at text not null)`,
  `create table oauth_state (
    model text not null, id text not null, payload text not null, grant_id text, uid text, user_code text,
    expires_at bigint, consumed_at bigint, primary key (model, id))`,
  `create index oauth_state_grant on oauth_state (grant_id)`,
  `create index oauth_state_expiry on oauth_state (expires_at)`,
  `create table replay (id text primary key, expires_at bigint not null)`,
  `create index replay_expiry on replay (expires_at)`,

  `create table api_token (
    id text primary key, name text not null, hash text not null unique, permissions text not null,
    created_at text not null, created_by text not null, expires_at text, revoked_at text, last_used_at text)`,
  `create table idempotency (
    actor text not null, key text not null, operation text not null, request_hash text not null,
    sealed_answer text not null, created_at text not null, primary key (actor, key))`,
  `create table audit_outbox (id text primary key, organization_id text, at text not null, body text not null)`,
]
