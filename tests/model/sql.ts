import { type RawBuilder, sql } from 'kysely'
import { isoTime, ROOT_TYPE } from '../../packages/sdk/src/core/index.ts'
import type { Db } from '../../packages/server/src/store/index.ts'

/**
 * The same questions as recursive queries over the tables, as one would ask them without an index: the third opinion in
 * the model tests, and what the index is measured against. Principals go by number, resources by number.
 */
export interface Asker {
  db: Db
  organization: string
  now: number
}

/** A principal and the active groups that it is in, all the way up; nobody where it is not active itself. */
function subjects({ organization }: Asker, principal: number): RawBuilder<unknown> {
  return sql`subject(seq) as (
    select seq from principal
      where organization_id = ${organization} and seq = ${principal} and status = 'active'
    union
    select outer_group.seq from subject
      join group_member on group_member.organization_id = ${organization} and group_member.member_seq = subject.seq
      join principal outer_group on outer_group.organization_id = ${organization}
        and outer_group.seq = group_member.group_seq and outer_group.status = 'active')`
}

/** A resource and all above it. */
function path({ organization }: Asker, resource: number): RawBuilder<unknown> {
  return sql`path(seq, parent_seq) as (
    select seq, parent_seq from resource
      where organization_id = ${organization} and seq = ${resource} and deleted_revision is null
    union all
    select above.seq, above.parent_seq from path
      join resource above on above.organization_id = ${organization} and above.seq = path.parent_seq)`
}

/** The assignments that are live and whose role holds a permission. */
function carrying({ organization, now }: Asker, permission: string): RawBuilder<unknown> {
  return sql`carrying(principal_seq, resource_seq) as (
    select assignment.principal_seq, assignment.resource_seq from assignment
      join role_permission on role_permission.role_id = assignment.role_id
      join permission on permission.id = role_permission.permission_id
      where assignment.organization_id = ${organization} and permission.slug = ${permission}
        and permission.retired_revision is null
        and (assignment.expires_at is null or assignment.expires_at > ${isoTime(now)}))`
}

/** Whether a principal holds a permission on a resource. */
export async function check(
  asker: Asker,
  principal: number,
  permission: string,
  resource: number,
): Promise<boolean> {
  const { rows } = await sql`
    with recursive ${subjects(asker, principal)}, ${path(asker, resource)}, ${carrying(asker, permission)}
    select 1 as found from carrying
      join subject on subject.seq = carrying.principal_seq
      join path on path.seq = carrying.resource_seq limit 1`.execute(asker.db)
  return rows.length > 0
}

/** The permissions of a resource's own type that a principal holds there. */
export async function effective(asker: Asker, principal: number, resource: number): Promise<string[]> {
  const { rows } = await sql<{ slug: string }>`
    with recursive ${subjects(asker, principal)}, ${path(asker, resource)}
    select distinct permission.slug from assignment
      join subject on subject.seq = assignment.principal_seq
      join path on path.seq = assignment.resource_seq
      join role_permission on role_permission.role_id = assignment.role_id
      join permission on permission.id = role_permission.permission_id and permission.retired_revision is null
      join resource on resource.organization_id = ${asker.organization} and resource.seq = ${resource}
        and resource.type_id = permission.type_id
      where assignment.organization_id = ${asker.organization}
        and (assignment.expires_at is null or assignment.expires_at > ${isoTime(asker.now)})`.execute(
    asker.db,
  )
  return rows.map(({ slug }) => slug).sort()
}

/** What is given a principal directly or through groups, and everything below it. */
function reached(asker: Asker, principal: number, permission: string): RawBuilder<unknown> {
  return sql`${subjects(asker, principal)}, ${carrying(asker, permission)}, reached(seq) as (
    select resource_seq from carrying join subject on subject.seq = carrying.principal_seq
    union
    select below.seq from reached
      join resource below on below.organization_id = ${asker.organization} and below.parent_seq = reached.seq
        and below.deleted_revision is null)`
}

/** The resources of a type (by its slug) on which a principal holds a permission, ascending. */
export async function listResources(
  asker: Asker,
  { principal, permission, type }: { principal: number; permission: string; type: string },
): Promise<number[]> {
  const { rows } = await sql<{ seq: number }>`
    with recursive ${reached(asker, principal, permission)}
    select resource.seq from reached
      join resource on resource.organization_id = ${asker.organization} and resource.seq = reached.seq
      join resource_type on resource_type.id = resource.type_id
      where resource_type.slug = ${type} and resource.deleted_revision is null
      order by resource.seq`.execute(asker.db)
  return rows.map(({ seq }) => seq)
}

/** The highest resources on which a principal holds a permission, ascending. */
export async function filter(asker: Asker, principal: number, permission: string): Promise<number[]> {
  const { rows } = await sql<{ seq: number }>`
    with recursive ${reached(asker, principal, permission)}
    select resource.seq from reached
      join resource on resource.organization_id = ${asker.organization} and resource.seq = reached.seq
      where resource.parent_seq is null or resource.parent_seq not in (select seq from reached)
      order by resource.seq`.execute(asker.db)
  return rows.map(({ seq }) => seq)
}

/** Who holds a permission on a resource, ascending: groups, and whoever is in them. */
export async function listPrincipals(asker: Asker, permission: string, resource: number): Promise<number[]> {
  const { organization } = asker
  const { rows } = await sql<{ seq: number }>`
    with recursive ${path(asker, resource)}, ${carrying(asker, permission)}, holder(seq) as (
      select principal.seq from carrying
        join path on path.seq = carrying.resource_seq
        join principal on principal.organization_id = ${organization} and principal.seq = carrying.principal_seq
          and principal.status = 'active'
      union
      select member.seq from holder
        join group_member on group_member.organization_id = ${organization} and group_member.group_seq = holder.seq
        join principal member on member.organization_id = ${organization} and member.seq = group_member.member_seq
          and member.status = 'active')
    select seq from holder order by seq`.execute(asker.db)
  return rows.map(({ seq }) => seq)
}

/** The parent's number by each live resource's number; null for the organization's own. */
export async function tree({ db, organization }: Asker): Promise<Map<number, number | null>> {
  const { rows } = await sql<{ seq: number; parentSeq: number | null; slug: string }>`
    select resource.seq, resource.parent_seq, resource_type.slug from resource
      join resource_type on resource_type.id = resource.type_id
      where resource.organization_id = ${organization} and resource.deleted_revision is null`.execute(db)
  return new Map(rows.map(({ seq, parentSeq, slug }) => [seq, slug === ROOT_TYPE ? null : parentSeq]))
}
