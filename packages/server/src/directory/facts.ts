import {
  AppError,
  CATALOGUE,
  type CatalogueChange,
  type CatalogueOp,
  ENVIRONMENT,
  forwardId,
  type OrganizationChange,
  type OrganizationOp,
} from '@valetkey/sdk/core'
import type { Db } from '../store/index.ts'
import {
  agentFact,
  assignmentFact,
  credentialFact,
  forwardFact,
  grantFact,
  linkFact,
  memberFact,
  memberId,
  organizationFact,
  permissionFact,
  principalFact,
  resourceTypeFact,
  revokedTokenFact,
  roleFact,
  serverFact,
  serverKeyFact,
  signingKeyFact,
  toolFact,
} from './fact-of.ts'
import { loadResources } from './resources/resource-facts.ts'

/** All facts of the catalogue at one revision, as the change from nothing. */
export function loadCatalogue(db: Db): Promise<CatalogueChange> {
  return atOneRevision(db, CATALOGUE, async (tx, { revision, status }) => {
    const ops: CatalogueOp[] = []
    // Whoever begins while everything is frozen begins frozen.
    if (status === 'frozen') ops.push({ fact: 'environment', id: ENVIRONMENT, value: { status } })
    for (const row of await tx.selectFrom('server').selectAll().orderBy('id').execute())
      ops.push({ fact: 'server', id: row.id, value: serverFact(row) })
    ops.push(...(await loadResourceTypes(tx)))
    const slugs = new Map<string, string>()
    for (const row of await tx.selectFrom('permission').selectAll().orderBy('id').execute()) {
      slugs.set(row.id, row.slug)
      const value = permissionFact(row)
      if (value) ops.push({ fact: 'permission', id: row.id, value })
    }
    ops.push(...(await loadRoles(tx, CATALOGUE)))
    for (const row of await tx.selectFrom('tool').selectAll().orderBy('id').execute())
      ops.push({ fact: 'tool', id: row.id, value: toolFact(row, slugs.get(row.permissionId) ?? '') })
    const keys = tx.selectFrom('signingKey').select(['kid', 'alg', 'publicJwk'])
    for (const row of await keys.orderBy('kid').execute())
      ops.push({ fact: 'signing_key', id: row.kid, value: signingKeyFact(row) })
    const forwards = tx
      .selectFrom('forward')
      .innerJoin('server as from', 'from.id', 'forward.fromId')
      .select(['forward.fromId', 'forward.toId', 'from.status'])
    for (const row of await forwards.orderBy('fromId').orderBy('toId').execute()) {
      const value = forwardFact(row)
      if (value) ops.push({ fact: 'forward', id: forwardId(value), value })
    }
    const serverKeys = tx.selectFrom('serverKey').where('revokedAt', 'is', null)
    for (const row of await serverKeys.selectAll().orderBy('id').execute())
      ops.push({ fact: 'server_key', id: row.id, value: serverKeyFact(row) })
    return { organization: CATALOGUE, revision, ops }
  })
}

/**
 * All facts of an organization at one revision, as the change from nothing. `now` tells which revoked tokens have
 * expired since and need no mention any more.
 */
export async function loadOrganization(db: Db, id: string, now: number): Promise<OrganizationChange> {
  if (id === CATALOGUE) throw new AppError('not_found', 'The catalogue is not an organization.')
  return atOneRevision(db, id, async (tx, organization) => {
    const ops: OrganizationOp[] = [{ fact: 'organization', id, value: organizationFact(organization) }]
    const principals = tx.selectFrom('principal').where('organizationId', '=', id)
    for (const row of await principals.selectAll().orderBy('seq').execute())
      ops.push({ fact: 'principal', id: row.id, value: principalFact(row) })
    ops.push(...(await loadRoles(tx, id)))
    ops.push(...(await loadIdentities(tx, id)), ...(await loadMembers(tx, id)))
    ops.push(...(await loadResources(tx, id)), ...(await loadRights(tx, id, now)))
    return { organization: id, revision: organization.revision, ops }
  })
}

async function loadIdentities(tx: Db, organization: string): Promise<OrganizationOp[]> {
  const ops: OrganizationOp[] = []
  const agents = tx.selectFrom('agent').where('organizationId', '=', organization)
  for (const row of await agents.selectAll().orderBy('id').execute())
    ops.push({ fact: 'agent', id: row.id, value: agentFact(row) })
  const credentials = tx.selectFrom('credential').where('organizationId', '=', organization)
  for (const row of await credentials.selectAll().orderBy('id').execute()) {
    const value = credentialFact(row)
    if (value) ops.push({ fact: 'credential', id: row.id, value })
  }
  return ops
}

async function loadMembers(tx: Db, organization: string): Promise<OrganizationOp[]> {
  const rows = await tx
    .selectFrom('groupMember')
    .select(['groupSeq', 'memberSeq'])
    .where('organizationId', '=', organization)
    .orderBy('groupSeq')
    .orderBy('memberSeq')
    .execute()
  return rows.map(row => ({ fact: 'member', id: memberId(row), value: memberFact(row) }))
}

async function loadRights(tx: Db, organization: string, now: number): Promise<OrganizationOp[]> {
  const ops: OrganizationOp[] = []
  const assignments = tx.selectFrom('assignment').where('organizationId', '=', organization)
  for (const row of await assignments.selectAll().orderBy('id').execute())
    ops.push({ fact: 'assignment', id: row.id, value: assignmentFact(row) })
  const grants = tx
    .selectFrom('grant')
    .where('organizationId', '=', organization)
    .where('revokedAt', 'is', null)
  for (const row of await grants.selectAll().orderBy('id').execute())
    ops.push({ fact: 'grant', id: row.id, value: grantFact(row) })
  const links = tx
    .selectFrom('delegation')
    .where('organizationId', '=', organization)
    .where('endedAt', 'is', null)
    .where('activatedAt', 'is not', null)
  for (const row of await links.selectAll().orderBy('id').execute()) {
    const value = linkFact(row)
    if (value) ops.push({ fact: 'link', id: row.id, value })
  }
  const revoked = tx.selectFrom('revokedToken').where('organizationId', '=', organization)
  for (const row of await revoked.selectAll().orderBy('id').execute()) {
    const value = revokedTokenFact(row)
    if (value.expiresAt > now) ops.push({ fact: 'revoked_token', id: row.id, value })
  }
  return ops
}

async function loadResourceTypes(tx: Db): Promise<CatalogueOp[]> {
  const parents = new Map<string, string[]>()
  for (const { typeId, parentTypeId } of await tx.selectFrom('resourceTypeParent').selectAll().execute())
    parents.set(typeId, [...(parents.get(typeId) ?? []), parentTypeId])
  const rows = await tx.selectFrom('resourceType').selectAll().orderBy('id').execute()
  return rows.map(row => ({
    fact: 'resource_type',
    id: row.id,
    value: resourceTypeFact(row, parents.get(row.id) ?? []),
  }))
}

async function loadRoles(tx: Db, organization: string) {
  const held = new Map<string, string[]>()
  const pairs = await tx
    .selectFrom('rolePermission')
    .innerJoin('role', 'role.id', 'rolePermission.roleId')
    .innerJoin('permission', 'permission.id', 'rolePermission.permissionId')
    .where('role.organizationId', '=', organization)
    .select(['rolePermission.roleId', 'permission.slug'])
    .execute()
  for (const { roleId, slug } of pairs) {
    const slugs = held.get(roleId)
    if (slugs) slugs.push(slug)
    else held.set(roleId, [slug])
  }
  const rows = tx.selectFrom('role').where('organizationId', '=', organization)
  return (await rows.selectAll().orderBy('id').execute()).map(row => ({
    fact: 'role' as const,
    id: row.id,
    value: roleFact(row, held.get(row.id) ?? []),
  }))
}

type OrganizationRow = Parameters<typeof organizationFact>[0] & { revision: number }

/**
 * Reads the organization's revision and everything else in one snapshot of the database: repeatable read on
 * PostgreSQL, and on SQLite any transaction, since it has one connection. Inside a caller's transaction, that one.
 */
async function atOneRevision<T>(
  db: Db,
  id: string,
  load: (tx: Db, organization: OrganizationRow) => Promise<T>,
): Promise<T> {
  const read = async (tx: Db) => {
    const organization = await tx
      .selectFrom('organization')
      .where('id', '=', id)
      .select(['id', 'slug', 'status', 'revision'])
      .executeTakeFirst()
    if (!organization) throw new AppError('not_found', `There is no organization ${id}.`)
    return load(tx, organization)
  }
  if (db.isTransaction) return read(db)
  return db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(read)
}
