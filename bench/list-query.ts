import { isoTime } from '@valetkey/sdk/core'
import Database from 'better-sqlite3'

/** From what was given to somebody and its groups, downwards: every step is found by an index, and nothing else is read. */
const QUERY = `
  with recursive
  subject(seq) as (
    select seq from principal where organization_id = @organization and seq = @principal and status = 'active'
    union
    select principal.seq from subject
      cross join group_member on group_member.organization_id = @organization and group_member.member_seq = subject.seq
      cross join principal on principal.organization_id = @organization
        and principal.seq = group_member.group_seq and principal.status = 'active'),
  carrying(role_id) as (
    select role_permission.role_id from permission
      join role_permission on role_permission.permission_id = permission.id
      where permission.slug = @permission and permission.retired_revision is null),
  reached(seq) as (
    select assignment.resource_seq from subject
      cross join assignment on assignment.organization_id = @organization and assignment.principal_seq = subject.seq
      where assignment.role_id in carrying and (assignment.expires_at is null or assignment.expires_at > @now)
    union
    select resource.seq from reached
      cross join resource indexed by resource_parent on resource.organization_id = @organization
        and resource.parent_seq = reached.seq and resource.deleted_revision is null)
  select resource.seq from reached
    cross join resource on resource.organization_id = @organization and resource.seq = reached.seq
    where resource.type_id = @type and resource.deleted_revision is null
    order by resource.seq`

/** What somebody may do something with, asked of the tables themselves as well as SQLite can: prepared, on a warm file. */
export function openListQuery(
  path: string,
  {
    organization,
    permission,
    type,
    now,
  }: { organization: string; permission: string; type: string; now: number },
): (principal: number) => number[] {
  const statement = new Database(path, { readonly: true }).prepare<object, number>(QUERY).pluck()
  return principal =>
    statement.all({ organization, permission, type, principal, now: isoTime(now) }) as number[]
}
