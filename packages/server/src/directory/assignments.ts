import { AppError, isId, isoTime, newId } from '@valetkey/sdk/core'
import { beginChange, type Db } from '../store/index.ts'
import type { Context } from './context.ts'
import { assignmentFact, type Row } from './fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from './operation.ts'
import { ROOT_RESOURCE_SEQ } from './organizations.ts'
import { readPage } from './page.ts'
import { getOrganization, getPrincipal, getRole, quote } from './reference.ts'

type Assignment = OutputOf<'assignments', 'create'>

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
    .selectAll('assignment')
    .select([
      'principal.id as principal',
      'principal.name as principalName',
      'role.slug as role',
      'resourceType.slug as resourceType',
      'resource.externalId as resourceName',
    ])
}

type AssignmentRow = Awaited<ReturnType<ReturnType<typeof assignments>['executeTakeFirstOrThrow']>>

function toAssignment(row: AssignmentRow): Assignment {
  return {
    id: row.id,
    organization: row.organizationId,
    principal: row.principal,
    principalName: row.principalName,
    role: row.role,
    resource: `${row.resourceType}/${row.resourceName}`,
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
  const principal = input.principal ? await getHolder(db, organization, input.principal) : undefined
  const role = input.role ? await getRole(db, input.role, organization.id) : undefined
  const read = (after: string, limit: number) => {
    let query = assignments(db)
      .where('assignment.organizationId', '=', organization.id)
      .where('assignment.id', '>', after)
    if (principal) query = query.where('assignment.principalSeq', '=', principal.seq)
    if (role) query = query.where('assignment.roleId', '=', role.id)
    return query.orderBy('assignment.id').limit(limit).execute()
  }
  const list = `assignments:${organization.id}:${principal?.id}:${role?.id}`
  return readPage(ctx, list, input, read, toAssignment)
}

/**
 * Gives a principal a role on the whole organization. Giving it again answers with the assignment that stands, and
 * raises no revision; giving it with another end changes the end.
 */
export async function createAssignment(
  ctx: Context,
  input: InputOf<'assignments', 'create'>,
): Promise<Assignment> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const expiresAt = expiryOf(ctx, input.expiresAt)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const principal = await getHolder(tx, organization, input.principal)
    const role = await getRole(tx, input.role, organization.id)
    const before = await tx
      .selectFrom('assignment')
      .selectAll()
      .where('organizationId', '=', organization.id)
      .where('principalSeq', '=', principal.seq)
      .where('resourceSeq', '=', ROOT_RESOURCE_SEQ)
      .where('roleId', '=', role.id)
      .where('source', '=', 'direct')
      .where('sourceId', '=', '')
      .executeTakeFirst()
    if (before?.expiresAt === expiresAt) return read(tx, before.id)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row: Row<'assignment'> = {
      organizationId: organization.id,
      principalSeq: principal.seq,
      resourceSeq: ROOT_RESOURCE_SEQ,
      roleId: role.id,
      source: 'direct',
      sourceId: '',
      id: newId('assignment', ctx.now()),
      expiresAt,
      createdRevision: change.revision,
      createdAt: timeOf(ctx),
      createdBy: ctx.actor.id,
    }
    if (before) {
      // Another end is another decision of another person: the old assignment goes, with its id and its author.
      await tx.deleteFrom('assignment').where('id', '=', before.id).execute()
      await change.log({ fact: 'assignment', id: before.id, value: null })
    }
    await tx.insertInto('assignment').values(row).execute()
    await change.log({ fact: 'assignment', id: row.id, value: assignmentFact(row) })
    await recordBy(ctx, tx, {
      organization: organization.id,
      type: 'assignment.created',
      target: row.id,
      detail: { principal: principal.id, role: role.slug, expiresAt, replaces: before?.id ?? null },
    })
    return read(tx, row.id)
  })
}

/** Takes a role away. */
export async function removeAssignment(
  ctx: Context,
  input: InputOf<'assignments', 'remove'>,
): Promise<Assignment> {
  const { organizationId } = await locate(ctx.store.db, input)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await locate(tx, input)
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    await tx.deleteFrom('assignment').where('id', '=', before.id).execute()
    await change.log({ fact: 'assignment', id: before.id, value: null })
    const detail = { principal: before.principal, role: before.role, expiresAt: before.expiresAt }
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'assignment.removed',
      target: before.id,
      detail,
    })
    return toAssignment(before)
  })
}

async function read(db: Db, id: string): Promise<Assignment> {
  return toAssignment(await assignments(db).where('assignment.id', '=', id).executeTakeFirstOrThrow())
}

async function locate(
  db: Db,
  input: { id: string; organization?: string | undefined },
): Promise<AssignmentRow> {
  const organization =
    input.organization === undefined ? undefined : await getOrganization(db, input.organization)
  const found = isId(input.id, 'assignment')
    ? await assignments(db).where('assignment.id', '=', input.id).executeTakeFirst()
    : undefined
  if (!found || (organization && found.organizationId !== organization.id))
    throw new AppError('not_found', `No assignment ${quote(input.id)}.`)
  return found
}

/** Who may hold a role: an agent by id or name, a person by id or email address. */
function getHolder(db: Db, organization: Row<'organization'>, ref: string): Promise<Row<'principal'>> {
  const kind = isId(ref, 'person') || ref.includes('@') ? 'user' : 'agent'
  return getPrincipal(db, organization, kind, ref)
}

function expiryOf(ctx: Context, expiresAt: string | null): string | null {
  if (expiresAt === null) return null
  const at = Date.parse(expiresAt)
  if (at > ctx.now()) return isoTime(at)
  throw new AppError('request.invalid', 'The assignment would have ended already.', { path: 'expiresAt' })
}
