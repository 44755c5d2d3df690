import { AppError, CATALOGUE, newId, ROOT_RESOURCE, ROOT_TYPE } from '@valetkey/sdk/core'
import { beginChange } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { organizationFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, quote } from '../reference.ts'
import { resourceFact } from '../resources/resource-facts.ts'

type Organization = OutputOf<'organizations', 'get'>

function toOrganization(row: Row<'organization'>): Organization {
  const { id, slug, name, status, revision, createdAt } = row
  return { id, slug, name, status, revision, createdAt }
}

export async function listOrganizations(
  ctx: Context,
  input: InputOf<'organizations', 'list'>,
): Promise<OutputOf<'organizations', 'list'>> {
  const read = (after: string, limit: number) =>
    ctx.store.db
      .selectFrom('organization')
      .selectAll()
      .where('id', '!=', CATALOGUE)
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
  return readPage(ctx, 'organizations', input, read, toOrganization)
}

export async function showOrganization(ctx: Context, input: { id: string }): Promise<Organization> {
  return toOrganization(await getOrganization(ctx.store.db, input.id))
}

/** Creates an organization with its root resource, on which roles are assigned. */
export async function createOrganization(
  ctx: Context,
  input: InputOf<'organizations', 'create'>,
): Promise<Organization> {
  const id = newId('organization', ctx.now())
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const { last } = await tx
      .selectFrom('organization')
      .select(eb => eb.fn.max('seq').as('last'))
      .executeTakeFirstOrThrow()
    const row = {
      id,
      seq: last + 1,
      slug: input.slug,
      name: input.name,
      status: 'active' as const,
      nextResourceSeq: ROOT_RESOURCE + 1,
      createdAt: timeOf(ctx),
    }
    await refuseDuplicate(
      tx.insertInto('organization').values(row).execute(),
      `There is an organization ${quote(input.slug)} already.`,
    )
    const change = await beginChange(tx, id, byWhom(ctx))
    await tx
      .insertInto('resource')
      .values({
        organizationId: id,
        seq: ROOT_RESOURCE,
        typeId: ROOT_TYPE,
        externalId: input.slug,
        parentSeq: null,
        name: input.name,
        createdRevision: change.revision,
        deletedRevision: null,
      })
      .execute()
    await change.log({ fact: 'organization', id, value: organizationFact(row) })
    const root = resourceFact(ROOT_TYPE, [[ROOT_RESOURCE, input.slug, null]])
    await change.log({ fact: 'resource', ...root })
    const detail = { slug: input.slug, name: input.name }
    await recordBy(ctx, tx, { organization: id, type: 'organization.created', target: id, detail })
    return toOrganization(await getOrganization(tx, id))
  })
}

export function freezeOrganization(
  ctx: Context,
  input: InputOf<'organizations', 'freeze'>,
): Promise<Organization> {
  return setStatus(ctx, input, 'frozen')
}

export function thawOrganization(
  ctx: Context,
  input: InputOf<'organizations', 'thaw'>,
): Promise<Organization> {
  return setStatus(ctx, input, 'active')
}

/** Refuses every call in an organization for good. */
export function retireOrganization(
  ctx: Context,
  input: { id: string; reason: string },
): Promise<Organization> {
  return setStatus(ctx, input, 'retired')
}

const CALLED = { active: 'thawed', frozen: 'frozen', retired: 'retired' } as const

async function setStatus(
  ctx: Context,
  input: { id: string; reason: string },
  status: keyof typeof CALLED,
): Promise<Organization> {
  const { id } = await getOrganization(ctx.store.db, input.id)
  return ctx.store.write(async tx => {
    await lock(tx, id)
    const before = await getOrganization(tx, id)
    if (before.status === status) return toOrganization(before)
    if (before.status === 'retired')
      throw new AppError('conflict.state', `Organization ${quote(before.slug)} is retired, which is final.`)
    const change = await beginChange(tx, id, byWhom(ctx))
    await tx.updateTable('organization').set({ status }).where('id', '=', id).execute()
    const after = await getOrganization(tx, id)
    await change.log({ fact: 'organization', id, value: organizationFact(after) })
    const type = `organization.${CALLED[status]}`
    const detail = { before: before.status, after: status, reason: input.reason }
    await recordBy(ctx, tx, { organization: id, type, target: id, detail })
    return toOrganization(after)
  })
}
