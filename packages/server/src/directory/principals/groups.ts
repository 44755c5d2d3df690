import { AppError, newId } from '@valetkey/sdk/core'
import { sql } from 'kysely'
import { beginChange, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { memberFact, memberId, principalFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { foldName, getOrganization, getPrincipal, getPrincipalByRef, quote } from '../reference.ts'
import { insertPrincipal, pagesOf } from './principals.ts'

type Group = OutputOf<'groups', 'create'>
type Member = OutputOf<'groups', 'add'>

function toGroup(row: Row<'principal'>): Group {
  const { id, organizationId, externalId, name, managedBy, createdAt } = row
  return { id, organization: organizationId, name: externalId, title: name, managedBy, createdAt }
}

function toMember(group: Row<'principal'>, { id, kind, externalId }: Row<'principal'>): Member {
  return { group: group.id, principal: id, kind, name: externalId }
}

export async function listGroups(
  ctx: Context,
  input: InputOf<'groups', 'list'>,
): Promise<OutputOf<'groups', 'list'>> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const read = pagesOf(ctx.store.db, organization.id, 'group')
  return readPage(ctx, `groups:${organization.id}`, input, read, toGroup)
}

/** Adds a group; `managedBy` says who keeps it up to date, if not an administrator. */
export async function createGroup(
  ctx: Context,
  input: InputOf<'groups', 'create'>,
  managedBy: string | null = null,
): Promise<Group> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const id = newId('group', ctx.now())
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row = await insertPrincipal(
      tx,
      ctx,
      {
        ...{ id, organizationId: organization.id, kind: 'group' },
        ...{ externalId: input.name, name: input.title || input.name, managedBy },
      },
      `There is a group ${quote(input.name)} in ${organization.slug} already.`,
    )
    await change.log({ fact: 'principal', id, value: principalFact(row) })
    const detail = { name: row.externalId, title: row.name }
    await recordBy(ctx, tx, { organization: organization.id, type: 'group.created', target: id, detail })
    return toGroup(row)
  })
}

/** Gives a group another name, in a transaction that holds the organization's lock. */
export async function renameGroup(
  ctx: Context,
  tx: Tx,
  before: Row<'principal'>,
  name: string,
): Promise<Row<'principal'>> {
  const after = { ...before, externalId: foldName(name), name }
  if (after.externalId === before.externalId && name === before.name) return before
  const change = await beginChange(tx, before.organizationId, byWhom(ctx))
  const { externalId } = after
  const update = tx.updateTable('principal').set({ externalId, name }).where('id', '=', before.id).execute()
  await refuseDuplicate(update, `There is a group ${quote(externalId)} already.`)
  await change.log({ fact: 'principal', id: before.id, value: principalFact(after) })
  const detail = { before: { title: before.name }, after: { title: name } }
  const event = { organization: before.organizationId, type: 'group.renamed', target: before.id }
  await recordBy(ctx, tx, { ...event, detail })
  return after
}

/** Removes a group for good: a later one of the same name has none of its members and roles. */
export async function removeGroup(ctx: Context, input: InputOf<'groups', 'remove'>): Promise<Group> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const group = await getGroup(tx, organization, input.group)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const memberships = await tx
      .deleteFrom('groupMember')
      .where('organizationId', '=', organization.id)
      .where(eb => eb.or([eb('groupSeq', '=', group.seq), eb('memberSeq', '=', group.seq)]))
      .returning(['groupSeq', 'memberSeq'])
      .execute()
    const assignments = await tx
      .deleteFrom('assignment')
      .where('organizationId', '=', organization.id)
      .where('principalSeq', '=', group.seq)
      .returning('id')
      .execute()
    await tx.deleteFrom('principal').where('id', '=', group.id).execute()
    for (const { id } of assignments) await change.log({ fact: 'assignment', id, value: null })
    for (const row of memberships) await change.log({ fact: 'member', id: memberId(row), value: null })
    await change.log({ fact: 'principal', id: group.id, value: null })
    await recordBy(ctx, tx, {
      organization: organization.id,
      type: 'group.removed',
      target: group.id,
      detail: {
        name: group.externalId,
        memberships: memberships.length,
        assignments: assignments.map(({ id }) => id),
      },
    })
    return toGroup(group)
  })
}

export async function listMembers(
  ctx: Context,
  input: InputOf<'groups', 'members'>,
): Promise<OutputOf<'groups', 'members'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const group = await getGroup(db, organization, input.group)
  const read = (after: string, limit: number) =>
    db
      .selectFrom('groupMember')
      .innerJoin('principal', join =>
        join
          .onRef('principal.organizationId', '=', 'groupMember.organizationId')
          .onRef('principal.seq', '=', 'groupMember.memberSeq'),
      )
      .selectAll('principal')
      .where('groupMember.organizationId', '=', organization.id)
      .where('groupSeq', '=', group.seq)
      .where('principal.id', '>', after)
      .orderBy('principal.id')
      .limit(limit)
      .execute()
  return readPage(ctx, `members:${group.id}`, input, read, row => toMember(group, row))
}

/** Adds a member, who from then on has every role of the group and of the groups that it belongs to. */
export async function addMember(ctx: Context, input: InputOf<'groups', 'add'>): Promise<Member> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const group = await getGroup(tx, organization, input.group)
    const member = await getPrincipalByRef(tx, organization, input.member)
    if (await findMembership(tx, group, member)) return toMember(group, member)
    await refuseCircle(tx, group, member)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row: Row<'groupMember'> = {
      organizationId: organization.id,
      groupSeq: group.seq,
      memberSeq: member.seq,
      createdAt: timeOf(ctx),
      createdBy: ctx.actor.id,
    }
    await tx.insertInto('groupMember').values(row).execute()
    await change.log({ fact: 'member', id: memberId(row), value: memberFact(row) })
    await recordMember(ctx, tx, 'group.member_added', group, member)
    return toMember(group, member)
  })
}

/** Takes a member out, who loses at once what came through the group. */
export async function dropMember(ctx: Context, input: InputOf<'groups', 'drop'>): Promise<Member> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const group = await getGroup(tx, organization, input.group)
    const member = await getPrincipalByRef(tx, organization, input.member)
    const row = await findMembership(tx, group, member)
    if (!row)
      throw new AppError(
        'not_found',
        `${quote(member.externalId)} does not belong to the group ${quote(group.externalId)} itself.`,
      )
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    await tx
      .deleteFrom('groupMember')
      .where('organizationId', '=', organization.id)
      .where('groupSeq', '=', group.seq)
      .where('memberSeq', '=', member.seq)
      .execute()
    await change.log({ fact: 'member', id: memberId(row), value: null })
    await recordMember(ctx, tx, 'group.member_dropped', group, member)
    return toMember(group, member)
  })
}

/** One belonging to a group, by their numbers. */
export type Membership = Pick<Row<'groupMember'>, 'organizationId' | 'groupSeq' | 'memberSeq'>

/** The groups that a principal belongs to itself. */
export function readMemberships(
  db: Db,
  { organizationId, seq }: Pick<Row<'principal'>, 'organizationId' | 'seq'>,
): Promise<Membership[]> {
  return db
    .selectFrom('groupMember')
    .select(['organizationId', 'groupSeq', 'memberSeq'])
    .where('organizationId', '=', organizationId)
    .where('memberSeq', '=', seq)
    .execute()
}

/**
 * Takes members out and puts members in, all at once, in a transaction that holds the organization's lock. Only people
 * are put in this way, so there can be no circle.
 */
export async function changeMembers(
  ctx: Context,
  tx: Tx,
  drop: readonly Membership[],
  add: readonly Membership[],
): Promise<void> {
  const [organizationId] = [...drop, ...add].map(row => row.organizationId)
  if (organizationId === undefined) return
  const change = await beginChange(tx, organizationId, byWhom(ctx))
  for (const row of drop) {
    await tx
      .deleteFrom('groupMember')
      .where(eb => eb.and(row))
      .execute()
    await change.log({ fact: 'member', id: memberId(row), value: null })
  }
  for (const row of add) {
    const made = { createdAt: timeOf(ctx), createdBy: ctx.actor.id }
    await tx
      .insertInto('groupMember')
      .values({ ...row, ...made })
      .execute()
    await change.log({ fact: 'member', id: memberId(row), value: memberFact(row) })
  }
  const count = { added: add.map(memberId), dropped: drop.map(memberId) }
  await recordBy(ctx, tx, {
    ...{ organization: organizationId, type: 'group.members_changed', target: organizationId },
    detail: count,
  })
}

function getGroup(db: Db, organization: Row<'organization'>, ref: string): Promise<Row<'principal'>> {
  return getPrincipal(db, organization, 'group', ref.startsWith('group:') ? ref.slice(6) : ref)
}

function findMembership(db: Db, group: Row<'principal'>, member: Row<'principal'>) {
  return db
    .selectFrom('groupMember')
    .selectAll()
    .where('organizationId', '=', group.organizationId)
    .where('groupSeq', '=', group.seq)
    .where('memberSeq', '=', member.seq)
    .executeTakeFirst()
}

/** A group that belonged to itself, by whatever way, would be one that nobody can take apart. */
async function refuseCircle(db: Db, group: Row<'principal'>, member: Row<'principal'>): Promise<void> {
  if (member.kind !== 'group') return
  const { organizationId } = group
  const { rows } = await sql`
    with recursive above (seq) as (
      select cast(${group.seq} as integer)
      union
      select group_seq from above join group_member on organization_id = ${organizationId} and member_seq = above.seq)
    select seq from above where seq = ${member.seq}`.execute(db)
  if (rows.length === 0) return
  throw new AppError(
    'conflict.state',
    member.id === group.id
      ? `The group ${quote(group.externalId)} cannot belong to itself.`
      : `The group ${quote(group.externalId)} belongs to ${quote(member.externalId)}, so it cannot hold it as well.`,
    { path: 'member' },
  )
}

function recordMember(
  ctx: Context,
  tx: Tx,
  type: string,
  group: Row<'principal'>,
  member: Row<'principal'>,
): Promise<void> {
  const detail = { name: group.externalId, member: member.id, memberName: member.externalId }
  return recordBy(ctx, tx, { organization: group.organizationId, type, target: group.id, detail })
}
