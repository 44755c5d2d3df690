import type { Tx } from '../store.ts'

/**
 * Identity providers of organizations and what they say: domains, links, groups and roles, sessions that began there,
 * and the directories that provision people. References carry the organization, as everywhere.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const PROVIDER =
  'foreign key (organization_id, provider_id) references identity_provider(organization_id, id)'

const STATEMENTS = [
  `alter table principal add column managed_by text`,

  `create table identity_provider (
    id text primary key, organization_id text not null references organization(id), name text not null,
    title text not null, kind text not null, status text not null, settings text not null, sealed_secret text,
    certificate text, provisions integer not null, revokes_on_logout integer not null,
    created_at text not null, created_by text not null,
    unique (organization_id, name), unique (organization_id, id))`,
  `create table identity_role (
    organization_id text not null, provider_id text not null, group_name text not null,
    role_id text not null references role(id), resource_seq integer not null,
    created_at text not null, created_by text not null,
    primary key (provider_id, group_name, role_id, resource_seq), ${PROVIDER},
    foreign key (organization_id, resource_seq) references resource(organization_id, seq))`,
  `create table identity_domain (
    organization_id text not null references organization(id), domain text not null, provider_id text,
    token text not null, verified_at text, verified_by text, created_at text not null, created_by text not null,
    primary key (organization_id, domain), ${PROVIDER})`,
  `create unique index identity_domain_verified on identity_domain (domain) where verified_at is not null`,
  `create index identity_domain_provider on identity_domain (organization_id, provider_id)`,

  `create table identity_link (
    id text primary key, organization_id text not null, provider_id text not null, subject text not null,
    person_id text not null, group_names text not null, created_at text not null, last_used_at text not null,
    unique (provider_id, subject), unique (provider_id, person_id), ${PROVIDER},
    foreign key (organization_id, person_id) references principal(organization_id, id))`,
  `create index identity_link_person on identity_link (organization_id, person_id)`,
  `create table federated_session (
    session_id text primary key, organization_id text not null, provider_id text not null, person_id text not null,
    subject text not null, sid text, sealed_logout text not null, created_at text not null, ended_at text,
    expires_at bigint not null, ${PROVIDER},
    foreign key (organization_id, person_id) references principal(organization_id, id))`,
  `create index federated_session_subject on federated_session (provider_id, subject)`,
  `create index federated_session_sid on federated_session (provider_id, sid)`,
  `create index federated_session_expiry on federated_session (expires_at)`,
  `create table federated_grant (
    session_id text not null references federated_session(session_id) on delete cascade,
    grant_id text not null references "grant"(id), primary key (session_id, grant_id))`,

  `create table scim_token (
    id text primary key, organization_id text not null references organization(id), provider_id text,
    name text not null, hash text not null unique, created_at text not null, created_by text not null,
    expires_at text, revoked_at text, last_used_at text, ${PROVIDER})`,
  `create table scim_person (
    organization_id text not null, person_id text not null, external_id text, active integer not null,
    attributes text not null, created_at text not null, updated_at text not null,
    primary key (organization_id, person_id),
    foreign key (organization_id, person_id) references principal(organization_id, id) on delete cascade)`,
  `create index scim_person_external on scim_person (organization_id, external_id)`,
  `create table scim_group (
    organization_id text not null, group_id text not null, external_id text, provider_id text,
    display_name text not null, created_at text not null, updated_at text not null,
    primary key (organization_id, group_id), ${PROVIDER},
    foreign key (organization_id, group_id) references principal(organization_id, id) on delete cascade)`,
  `create index scim_group_external on scim_group (organization_id, external_id)`,
]
