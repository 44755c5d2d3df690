import { CATALOGUE, isoTime, type OrganizationOp } from '@valetkey/sdk/core'
import type { Store, Tx } from '../packages/server/src/store/index.ts'
import { catalogueOps, ORGANIZATION, organizationOps, type Tree } from './tree.ts'

/** SQLite takes some thirty thousand values in one statement. */
const ROWS_AT_ONCE = 1_000
const AT = isoTime(0)

/** Writes a tree into an empty database as the directory would have left it, without its log and its evidence. */
export async function storeTree(store: Store, tree: Tree): Promise<void> {
  const ops = organizationOps(tree)
  await store.write(async tx => {
    await storeCatalogue(tx)
    const organization = { id: ORGANIZATION, seq: 1, slug: 'bench', name: 'Bench', status: 'active' } as const
    const next = { nextResourceSeq: tree.nodes.length + 2, nextPrincipalSeq: 1_000_000 }
    await tx
      .insertInto('organization')
      .values({ ...organization, ...next, createdAt: AT })
      .execute()
    await insert(tx, 'principal', of(ops, 'principal').map(toPrincipal))
    await insert(tx, 'groupMember', of(ops, 'member').map(toMember))
    await insert(tx, 'resource', of(ops, 'resource').flatMap(toResources))
    await insert(tx, 'assignment', of(ops, 'assignment').map(toAssignment))
  })
}

type ValueOf<F extends OrganizationOp['fact']> = NonNullable<(OrganizationOp & { fact: F })['value']>

function of<F extends OrganizationOp['fact']>(ops: readonly OrganizationOp[], fact: F): ValueOf<F>[] {
  return ops.flatMap(op => (op.fact === fact && op.value ? [op.value as ValueOf<F>] : []))
}

async function insert(
  tx: Tx,
  table: Parameters<Tx['insertInto']>[0],
  rows: readonly object[],
): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE)
    await tx
      .insertInto(table)
      .values(rows.slice(from, from + ROWS_AT_ONCE) as never)
      .execute()
}

async function storeCatalogue(tx: Tx): Promise<void> {
  for (const op of catalogueOps()) {
    if (op.fact === 'resource_type' && op.value) {
      const { id, slug, parents, instances } = op.value
      await insert(tx, 'resourceType', [{ id, slug, name: slug, instances }])
      await insert(
        tx,
        'resourceTypeParent',
        parents.map(parentTypeId => ({ typeId: id, parentTypeId })),
      )
    } else if (op.fact === 'permission' && op.value) {
      const { id, slug, type: typeId, bit, risk } = op.value
      await insert(tx, 'permission', [{ id, slug, typeId, bit, risk, label: slug }])
    } else if (op.fact === 'role' && op.value) {
      const { id, slug, type: typeId, permissions } = op.value
      await insert(tx, 'role', [{ id, organizationId: CATALOGUE, slug, name: slug, typeId }])
      const held = permissions.map(permission => ({
        roleId: id,
        permissionId: `prm_${permission.replace(':', '_')}`,
      }))
      await insert(tx, 'rolePermission', held)
    }
  }
}

const inOrganization = { organizationId: ORGANIZATION }

function toPrincipal({ id, seq, kind, name, status }: ValueOf<'principal'>) {
  return { ...inOrganization, seq, id, kind, externalId: id, name, status, createdAt: AT }
}

function toMember({ group, member }: ValueOf<'member'>) {
  return { ...inOrganization, groupSeq: group, memberSeq: member, createdAt: AT, createdBy: 'usr_0' }
}

function toResources({ type, rows }: ValueOf<'resource'>) {
  return rows.map(([seq, externalId, parentSeq]) => ({
    ...{ ...inOrganization, seq, typeId: type, externalId, parentSeq, name: '' },
    ...{ createdRevision: 1, deletedRevision: null },
  }))
}

function toAssignment({
  id,
  principal,
  resource,
  role,
  source,
  expiresAt,
  createdBy,
}: ValueOf<'assignment'>) {
  return {
    ...{
      ...inOrganization,
      principalSeq: principal,
      resourceSeq: resource,
      roleId: role,
      source,
      sourceId: id,
    },
    ...{ id, expiresAt, createdRevision: 1, createdAt: AT, createdBy },
  }
}
