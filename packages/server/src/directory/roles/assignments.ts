import { AppError, isId, newId } from '@valetkey/sdk/core'
import { beginChange, type Db, prepareInsert, prepareQuery, send } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { futureTime } from '../expiry.ts'
import { assignmentFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, getPrincipalByRef, getRole, quote } from '../reference.ts'
import { getResource, getRoot, type ResourceRow, refTo } from '../resources/resource-tree.ts'
import { readTypeTree } from '../resources/type-tree.ts'

type Assignment = OutputOf<'assignments', 'create'>

const COLUMNS = [
  ...(['organizationId', 'principalSeq', 'resourceSeq', 'roleId', 'source', 'sourceId', 'id'] as const),
  ...(['expiresAt', 'createdRevision', 'createdAt', 'createdBy'] as const),
]
const ASSIGNMENT = COLUMNS.map(column => `assignment.${column}` as const)

function assignments(db: Db) {
  return db
    .selectFrom('assignment')
    .innerJoin('principal', join =>
      join
        .onRef('principal.organizationId', '=', 'assignment.organizationId')
        .onRef('principal.seq', '=', 'assignment.principalSeq'),
    )
    .innerJoin('resource', join =>
      join
        .onRef('resource.organizationId', '=', 'assignment.organizationId')
        .onRef('resource.seq', '=', 'assignment.resourceSeq'),
    )
    .innerJoin('resourceType', 'resourceType.id', 'resource.typeId')
    .innerJoin('role', 'role.id', 'assignment.roleId')
    .select([
      ...ASSIGNMENT,
      'principal.id as principal',
      'principal.name as principalName',
      'role.slug as role',
      'resourceType.slug as resourceType',
      'resource.externalId as resourceName',
    ])
}

const findById = prepareQuery((db, { id }: { id: string }) => assignments(db).where('assignment.id', '=', id))
const findByKey = prepareQuery((db, key: AssignmentKey) =>
  assignments(db)
    .where('assignment.organizationId', '=', key.organizationId)
    .where('assignment.principalSeq', '=', key.principalSeq)
    .where('assignment.resourceSeq', '=', key.resourceSeq)
    .where('assignment.roleId', '=', key.roleId)
    .where('assignment.source', '=', key.source)
    .where('assignment.sourceId', '=', key.sourceId),
)
const insertRows = prepareInsert('assignment', COLUMNS)
const removeById = prepareQuery((db, { id }: { id: string }) =>
  db.deleteFrom('assignment').where('id', '=', id).returning('id'),
)

type AssignmentKey = Pick<
  Row<'assignment'>,
  'organizationId' | 'principalSeq' | 'resourceSeq' | 'roleId' | 'source' | 'sourceId'
>
type AssignmentRow = Awaited<ReturnType<ReturnType<typeof assignments>['executeTakeFirstOrThrow']>>

function toAssignment(row: AssignmentRow): Assignment {
  return {
    id: row.id,
    organization: row.organizationId,
    principal: row.principal,
    principalName: row.principalName,
    role: row.role,
    resource: refTo(row.resourceType, row.resourceName),
    source: row.source,
    createdAt: row.createdAt,
    createdBy: row.createdBy,
    expiresAt: row.expiresAt,
  }
}

export async function listAssignments(
  ctx: Context,
  input: InputOf<'assignments', 'list'>,
): Promise<OutputOf<'assignments', 'list'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const principal = input.principal ? await getPrincipalByRef(db, organization, input.principal) : undefined
  const role = input.role ? await getRole(db, input.role, organization.id) : undefined
  const resource = input.resource ? await getResource(db, organization, input.resource) : undefined
  const read = (after: string, limit: number) => {
    let query = assignments(db)
      .where('assignment.organizationId', '=', organization.id)
      .where('assignment.id', '>', after)
    if (principal) query = query.where('assignment.principalSeq', '=', principal.seq)
    if (role) query = query.where('assignment.roleId', '=', role.id)
    if (resource) query = query.where('assignment.resourceSeq', '=', resource.seq)
    return query.orderBy('assignment.id').limit(limit).execute()
  }
  const list = `assignments:${organization.id}:${principal?.id}:${role?.id}:${resource?.seq}`
  return readPage(ctx, list, input, read, toAssignment)
}

/**
 * Gives a principal a role on a resource, or on the whole organization. Giving it again answers with the assignment
 * that stands, and raises no revision; giving it with another end changes the end. The same role from another source
 * is another assignment, so that one can go without the other.
 */
export async function createAssignment(
  ctx: Context,
  input: InputOf<'assignments', 'create'>,
): Promise<Assignment> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const expiresAt = futureTime(ctx, 'The assignment', input.expiresAt)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const [principal, role, resource] = await Promise.all([
      getPrincipalByRef(tx, organization, input.principal),
      getRole(tx, input.role, organization.id),
      input.resource === undefined
        ? getRoot(tx, organization.id)
        : getResource(tx, organization, input.resource),
    ])
    await refuseOtherType(tx, role, resource)
    const key = {
      organizationId: organization.id,
      principalSeq: principal.seq,
      resourceSeq: resource.seq,
      roleId: role.id,
      source: input.source,
      sourceId: input.sourceId,
    }
    const [before] = await findByKey(tx, key)
    if (before?.expiresAt === expiresAt) return toAssignment(before)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row: Row<'assignment'> = {
      ...key,
      id: newId('assignment', ctx.now()),
      expiresAt,
      createdRevision: change.revision,
      createdAt: timeOf(ctx),
      createdBy: ctx.actor.id,
    }
    if (before) {
      // Another end is another decision of another person: the old assignment goes, with its id and its author.
      await removeById(tx, before)
      await change.log({ fact: 'assignment', id: before.id, value: null })
    }
    await send(tx, insertRows(tx, [row]))
    await change.log({ fact: 'assignment', id: row.id, value: assignmentFact(row) })
    const assignment = toAssignment({
      ...row,
      ...{ principal: principal.id, principalName: principal.name, role: role.slug },
      ...{ resourceType: resource.type, resourceName: resource.externalId },
    })
    await recordBy(ctx, tx, {
      organization: organization.id,
      type: 'assignment.created',
      target: row.id,
      detail: { ...summary(assignment), sourceId: row.sourceId, replaces: before?.id ?? null },
    })
    return assignment
  })
}

/** A role is given where its own type is; what it carries of types below reaches down from there. */
export async function refuseOtherType(db: Db, role: Row<'role'>, resource: ResourceRow): Promise<void> {
  if (role.typeId === resource.typeId) return
  const { slugOf } = await readTypeTree(db)
  const [wanted, got] = [slugOf(role.typeId), refTo(slugOf(resource.typeId), resource.externalId)]
  throw new AppError(
    'policy.invalid',
    `The role ${quote(role.slug)} is one on ${quote(wanted)}: it cannot be given on ${quote(got)}.`,
    { path: 'resource' },
  )
}

/** Takes away, whatever it came from, every role of a principal, every one that was given on a resource, or both. */
export async function clearAssignments(
  ctx: Context,
  input: InputOf<'assignments', 'clear'>,
): Promise<OutputOf<'assignments', 'clear'>> {
  if (input.principal === undefined && input.resource === undefined)
    throw new AppError('request.invalid', 'Name a principal, a resource, or both.', { path: 'principal' })
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const principal = input.principal && (await getPrincipalByRef(tx, organization, input.principal))
    const resource = input.resource && (await getResource(tx, organization, input.resource))
    let query = assignments(tx).where('assignment.organizationId', '=', organization.id)
    if (principal) query = query.where('assignment.principalSeq', '=', principal.seq)
    if (resource) query = query.where('assignment.resourceSeq', '=', resource.seq)
    const found = await query.orderBy('assignment.id').execute()
    if (found.length === 0) return { removed: 0 }
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    for (const { id } of found) {
      await removeById(tx, { id })
      await change.log({ fact: 'assignment', id, value: null })
    }
    await recordBy(ctx, tx, {
      organization: organization.id,
      type: 'assignments.cleared',
      target: principal ? principal.id : (input.resource ?? ''),
      detail: { resource: input.resource ?? null, removed: found.map(row => row.id) },
    })
    return { removed: found.length }
  })
}

/** Takes a role away. */
export async function removeAssignment(
  ctx: Context,
  input: InputOf<'assignments', 'remove'>,
): Promise<Assignment> {
  const before = await locate(ctx.store.db, input)
  const { id, organizationId } = before
  const assignment = toAssignment(before)
  return ctx.store.write(async tx => {
    const [change, [removed]] = await Promise.all([
      beginChange(tx, organizationId, byWhom(ctx)),
      removeById(tx, { id }),
    ])
    // It never changes while it stands; another one may have taken it away by now.
    if (!removed) throw notFound(id)
    await change.log({ fact: 'assignment', id, value: null })
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'assignment.removed',
      target: id,
      detail: summary(assignment),
    })
    return assignment
  })
}

async function locate(
  db: Db,
  input: { id: string; organization?: string | undefined },
): Promise<AssignmentRow> {
  const organization =
    input.organization === undefined ? undefined : await getOrganization(db, input.organization)
  const [found] = isId(input.id, 'assignment') ? await findById(db, { id: input.id }) : []
  if (!found || (organization && found.organizationId !== organization.id)) throw notFound(input.id)
  return found
}

function notFound(id: string): AppError {
  return new AppError('not_found', `No assignment ${quote(id)}.`)
}

/** What an audit event says of an assignment. */
function summary({ principal, role, resource, source, expiresAt }: Assignment) {
  return { principal, role, resource, source, expiresAt }
}
