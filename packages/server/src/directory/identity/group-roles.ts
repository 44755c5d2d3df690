import type { Db, Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { type OutputOf, timeOf } from '../operation.ts'
import { getRole } from '../reference.ts'
import { getResource, getRoot, refTo } from '../resources/resource-tree.ts'
import { refuseOtherType } from '../roles/assignments.ts'
import type { ProviderRow } from './provider-row.ts'

export type GroupRole = OutputOf<'identityProviders', 'get'>['roles'][number]
type Wanted = { group: string; role: string; resource?: string | undefined }

/** What the groups of providers give, by provider; a resource that is no longer there gives nothing. */
export async function readGroupRoles(
  db: Db,
  providerIds: readonly string[],
): Promise<Map<string, GroupRole[]>> {
  if (providerIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('identityRole')
    .innerJoin('role', 'role.id', 'identityRole.roleId')
    .innerJoin('resource', join =>
      join
        .onRef('resource.organizationId', '=', 'identityRole.organizationId')
        .onRef('resource.seq', '=', 'identityRole.resourceSeq'),
    )
    .innerJoin('resourceType', 'resourceType.id', 'resource.typeId')
    .select(['providerId', 'groupName', 'role.slug as role', 'resourceType.slug as type', 'externalId'])
    .where('providerId', 'in', providerIds)
    .where('deletedRevision', 'is', null)
    .orderBy('groupName')
    .orderBy('role.slug')
    .orderBy('resourceSeq')
    .execute()
  const roles = new Map<string, GroupRole[]>()
  for (const { providerId, groupName, role, type, externalId } of rows) {
    const row = { group: groupName, role, resource: refTo(type, externalId) }
    roles.set(providerId, [...(roles.get(providerId) ?? []), row])
  }
  return roles
}

/** Makes the groups of a provider give exactly this. What follows from it for people is reconciled apart. */
export async function replaceGroupRoles(
  ctx: Context,
  tx: Tx,
  organization: Row<'organization'>,
  provider: Pick<ProviderRow, 'id'>,
  wanted: readonly Wanted[],
): Promise<void> {
  await tx.deleteFrom('identityRole').where('providerId', '=', provider.id).execute()
  const rows = new Map<string, Row<'identityRole'>>()
  for (const { group, role: roleRef, resource: resourceRef } of wanted) {
    const role = await getRole(tx, roleRef, organization.id)
    const resource =
      resourceRef === undefined
        ? await getRoot(tx, organization.id)
        : await getResource(tx, organization, resourceRef)
    await refuseOtherType(tx, role, resource)
    rows.set(`${group}\n${role.id}\n${resource.seq}`, {
      ...{ organizationId: organization.id, providerId: provider.id, groupName: group },
      ...{ roleId: role.id, resourceSeq: resource.seq, createdAt: timeOf(ctx), createdBy: ctx.actor.id },
    })
  }
  for (const row of rows.values()) await tx.insertInto('identityRole').values(row).execute()
}
