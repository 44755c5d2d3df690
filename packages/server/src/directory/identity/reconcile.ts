import { newId } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { assignmentFact, type Row } from '../fact-of.ts'
import { byWhom, recordBy, timeOf } from '../operation.ts'
import type { ProviderRow } from './provider-row.ts'

/** Who has which role where, by their numbers. */
type Given = Pick<Row<'assignment'>, 'principalSeq' | 'resourceSeq' | 'roleId'>

/**
 * Makes the roles that come from a provider agree with the groups that it names: those of each person's last sign-in,
 * and those that its directory provisions. What it no longer names is lost, what it names is given, and roles from any
 * other source stay. Of all, or of one person or group. The caller holds the organization's lock.
 */
export async function reconcileRoles(
  ctx: Context,
  tx: Tx,
  provider: Pick<ProviderRow, 'id' | 'organizationId' | 'status'>,
  principalSeq?: number,
): Promise<void> {
  const wanted = provider.status === 'active' ? await readWanted(tx, provider, principalSeq) : new Map()
  const lost = (await readHeld(tx, provider, principalSeq)).filter(row => !wanted.delete(keyOf(row)))
  const gained = [...wanted.values()]
  if (lost.length + gained.length === 0) return
  const change = await beginChange(tx, provider.organizationId, byWhom(ctx))
  for (const { id } of lost) {
    await tx.deleteFrom('assignment').where('id', '=', id).execute()
    await change.log({ fact: 'assignment', id, value: null })
  }
  const given: string[] = []
  for (const { principalSeq, resourceSeq, roleId } of gained) {
    const row: Row<'assignment'> = {
      ...{ organizationId: provider.organizationId, principalSeq, resourceSeq, roleId },
      ...{ source: 'idp', sourceId: provider.id, id: newId('assignment', ctx.now()), expiresAt: null },
      ...{ createdRevision: change.revision, createdAt: timeOf(ctx), createdBy: ctx.actor.id },
    }
    await tx.insertInto('assignment').values(row).execute()
    await change.log({ fact: 'assignment', id: row.id, value: assignmentFact(row) })
    given.push(row.id)
  }
  const detail = { given, taken: lost.map(({ id }) => id) }
  const event = { organization: provider.organizationId, type: 'identity_provider.roles_reconciled' }
  await recordBy(ctx, tx, { ...event, target: provider.id, detail })
}

function keyOf({ principalSeq, resourceSeq, roleId }: Given): string {
  return `${principalSeq} ${resourceSeq} ${roleId}`
}

function readHeld(tx: Tx, { id, organizationId }: Pick<ProviderRow, 'id' | 'organizationId'>, seq?: number) {
  let query = tx
    .selectFrom('assignment')
    .select(['id', 'principalSeq', 'resourceSeq', 'roleId'])
    .where('organizationId', '=', organizationId)
    .where('source', '=', 'idp')
    .where('sourceId', '=', id)
  if (seq !== undefined) query = query.where('principalSeq', '=', seq)
  return query.execute()
}

async function readWanted(
  tx: Tx,
  provider: Pick<ProviderRow, 'id' | 'organizationId'>,
  seq: number | undefined,
): Promise<Map<string, Given>> {
  const rules = new Map<string, Pick<Given, 'resourceSeq' | 'roleId'>[]>()
  for (const { groupName, ...rule } of await readRules(tx, provider.id))
    rules.set(groupName, [...(rules.get(groupName) ?? []), rule])
  const wanted = new Map<string, Given>()
  if (rules.size === 0) return wanted
  for (const { principalSeq, groups } of await readNamed(tx, provider, seq))
    for (const rule of groups.flatMap(group => rules.get(group) ?? [])) {
      const given = { principalSeq, ...rule }
      wanted.set(keyOf(given), given)
    }
  return wanted
}

function readRules(db: Db, providerId: string) {
  return db
    .selectFrom('identityRole')
    .innerJoin('resource', join =>
      join
        .onRef('resource.organizationId', '=', 'identityRole.organizationId')
        .onRef('resource.seq', '=', 'identityRole.resourceSeq'),
    )
    .select(['groupName', 'identityRole.roleId', 'identityRole.resourceSeq'])
    .where('providerId', '=', providerId)
    .where('deletedRevision', 'is', null)
    .execute()
}

/** People with the groups of their last sign-in, and provisioned groups, each under its own name. */
async function readNamed(
  tx: Tx,
  { id, organizationId }: Pick<ProviderRow, 'id' | 'organizationId'>,
  seq: number | undefined,
): Promise<{ principalSeq: number; groups: string[] }[]> {
  let people = tx
    .selectFrom('identityLink')
    .innerJoin('principal', 'principal.id', 'identityLink.personId')
    .select(['principal.seq', 'groupNames'])
    .where('identityLink.providerId', '=', id)
    .where('groupNames', '!=', '[]')
  let groups = tx
    .selectFrom('scimGroup')
    .innerJoin('principal', 'principal.id', 'scimGroup.groupId')
    .select(['principal.seq', 'displayName'])
    .where('scimGroup.organizationId', '=', organizationId)
    .where('scimGroup.providerId', '=', id)
  if (seq !== undefined) {
    people = people.where('principal.seq', '=', seq)
    groups = groups.where('principal.seq', '=', seq)
  }
  return [
    ...(await people.execute()).map(row => ({
      principalSeq: row.seq,
      groups: JSON.parse(row.groupNames) as string[],
    })),
    ...(await groups.execute()).map(row => ({ principalSeq: row.seq, groups: [row.displayName] })),
  ]
}
