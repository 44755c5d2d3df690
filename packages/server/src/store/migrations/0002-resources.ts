import type { Tx } from '../store.ts'

/**
 * Resources by the million, groups, and what types, permissions and grants now say of themselves. `resource` is made
 * anew without hidden row numbers (SQLite), so that its rows and indexes are as small as they can be; `assignment` with
 * it, since it refers to it.
 */
export async function up(_tx: Tx, define: (statement: string) => Promise<void>): Promise<void> {
  for (const statement of STATEMENTS) await define(statement)
}

const RESOURCE =
  'organization_id, seq, type_id, external_id, parent_seq, name, created_revision, deleted_revision'
const ASSIGNMENT =
  'organization_id, principal_seq, resource_seq, role_id, source, source_id, id, expires_at, created_revision, created_at, created_by'

const STATEMENTS = [
  `alter table resource_type add column instances text not null default 'registered'`,
  `alter table permission add column condition text`,
  `alter table "grant" add column source text not null default 'administrator'`,
  `alter table "grant" add column created_by text not null default ''`,
  `create index grant_organization on "grant" (organization_id, id)`,

  `create table group_member (
    organization_id text not null, group_seq integer not null, member_seq integer not null,
    created_at text not null, created_by text not null,
    primary key (organization_id, group_seq, member_seq),
    foreign key (organization_id, group_seq) references principal(organization_id, seq),
    foreign key (organization_id, member_seq) references principal(organization_id, seq)) without rowid`,
  `create index group_member_of on group_member (organization_id, member_seq)`,

  `drop index resource_live`,
  `drop index resource_parent`,
  `drop index assignment_resource`,
  `alter table assignment rename to assignment_before`,
  `alter table resource rename to resource_before`,
  `create table resource (
    organization_id text not null references organization(id), seq integer not null,
    type_id text not null references resource_type(id), external_id text not null, parent_seq integer,
    name text not null, created_revision bigint not null, deleted_revision bigint,
    primary key (organization_id, seq),
    foreign key (organization_id, parent_seq) references resource(organization_id, seq)) without rowid`,
  `insert into resource (${RESOURCE}) select ${RESOURCE} from resource_before`,
  `create unique index resource_live on resource (organization_id, type_id, external_id) where deleted_revision is null`,
  `create index resource_parent on resource (organization_id, parent_seq, seq) where deleted_revision is null`,
  `create table assignment (
    organization_id text not null, principal_seq integer not null, resource_seq integer not null,
    role_id text not null references role(id), source text not null, source_id text not null, id text not null unique,
    expires_at text, created_revision bigint not null, created_at text not null, created_by text not null,
    primary key (organization_id, principal_seq, resource_seq, role_id, source, source_id),
    foreign key (organization_id, principal_seq) references principal(organization_id, seq),
    foreign key (organization_id, resource_seq) references resource(organization_id, seq))`,
  `insert into assignment (${ASSIGNMENT}) select ${ASSIGNMENT} from assignment_before`,
  `drop table assignment_before`,
  `drop table resource_before`,
  `create index assignment_resource on assignment (organization_id, resource_seq)`,
]
