import { shapes } from '@valetkey/sdk/contract'
import { isId, isoTime } from '@valetkey/sdk/core'
import {
  asOneChange,
  type Context,
  changeMembers,
  createGroup,
  foldName,
  type Membership,
  type Row,
  reconcileRoles,
  refuseExternalId,
  removeGroup,
  renameGroup,
} from '../../directory/index.ts'
import type { Db, Tx } from '../../store/index.ts'
import { GROUP_SCHEMA } from './attributes.ts'
import { ScimError } from './error.ts'
import type { Kind, Stored, Token } from './resource.ts'
import { manyOf, type Part, textOf } from './value.ts'

/** How many names one statement takes at most. */
const MOST_AT_ONCE = 500

function groups(db: Db, organization: string) {
  return db
    .selectFrom('scimGroup')
    .innerJoin('principal', 'principal.id', 'scimGroup.groupId')
    .selectAll('principal')
    .select([
      'scimGroup.externalId as theirId',
      'scimGroup.displayName',
      'scimGroup.providerId',
      'scimGroup.createdAt as madeAt',
      'scimGroup.updatedAt',
    ])
    .where('scimGroup.organizationId', '=', organization)
}

type GroupRow = Awaited<ReturnType<ReturnType<typeof groups>['executeTakeFirstOrThrow']>>

function toStored({ id, displayName, theirId, madeAt, updatedAt }: GroupRow): Stored {
  const resource = { displayName, ...(theirId !== null && { externalId: theirId }) }
  return { id, resource, createdAt: madeAt, updatedAt }
}

function readMembers(db: Db, organizationId: string, group: string) {
  return db
    .selectFrom('groupMember')
    .innerJoin('principal', join =>
      join
        .onRef('principal.organizationId', '=', 'groupMember.organizationId')
        .onRef('principal.seq', '=', 'groupMember.memberSeq'),
    )
    .select(['principal.id', 'principal.name', 'principal.seq'])
    .where('groupMember.organizationId', '=', organizationId)
    .where('groupSeq', '=', eb => eb.selectFrom('principal').select('seq').where('principal.id', '=', group))
    .where('principal.kind', '=', 'user')
    .orderBy('principal.id')
    .execute()
}

/** Groups that a directory has made, as SCIM reads and writes them. What administrators made by hand it does not see. */
export const GROUPS: Kind = {
  schema: GROUP_SCHEMA,

  late: 'members',

  async find(db, { organizationId }, id) {
    const row = await groups(db, organizationId).where('principal.id', '=', id).executeTakeFirst()
    return row && toStored(row)
  },

  async page(db, { organizationId }, { after = '', skip = 0, limit }) {
    const rows = await groups(db, organizationId)
      .where('principal.id', '>', after)
      .orderBy('principal.id')
      .offset(skip)
      .limit(limit)
      .execute()
    return rows.map(toStored)
  },

  async count(db, { organizationId }) {
    const { count } = await db
      .selectFrom('scimGroup')
      .select(eb => eb.fn.countAll<number>().as('count'))
      .where('organizationId', '=', organizationId)
      .executeTakeFirstOrThrow()
    return Number(count)
  },

  async lookUp(db, { organizationId }, equal) {
    const query = narrow(db, organizationId, equal)
    return query && (await query.execute()).map(toStored)
  },

  async complete(db, { organizationId }, stored) {
    const complete: Stored[] = []
    for (const one of stored) {
      const members = (await readMembers(db, organizationId, one.id)).map(({ id, name }) => ({
        ...{ value: id, display: name, type: 'User' },
      }))
      complete.push(members.length === 0 ? one : { ...one, resource: { ...one.resource, members } })
    }
    return complete
  },

  create(ctx, token, resource) {
    return asOneChange(ctx, [token.organizationId], async ctx => {
      const displayName = readName(resource)
      const input = { organization: token.organizationId, name: displayName, title: displayName }
      const { id } = await createGroup(ctx, input, 'scim')
      await ctx.store.write(tx => {
        const at = isoTime(ctx.now())
        const row = { organizationId: token.organizationId, groupId: id, providerId: token.providerId }
        return tx
          .insertInto('scimGroup')
          .values({ ...row, displayName, externalId: null, createdAt: at, updatedAt: at })
          .execute()
      })
      await write(ctx, token, await getRow(ctx.store.db, token, id), resource)
      return id
    })
  },

  replace(ctx, token, id, change) {
    return asOneChange(ctx, [token.organizationId], async ctx => {
      const { db } = ctx.store
      const row = await getRow(db, token, id)
      const [stored] = await GROUPS.complete(db, token, [toStored(row)])
      await write(ctx, token, row, change(stored?.resource ?? {}))
    })
  },

  remove(ctx, token, id) {
    return asOneChange(ctx, [token.organizationId], async ctx => {
      await getRow(ctx.store.db, token, id)
      await removeGroup(ctx, { organization: token.organizationId, group: id })
    })
  },
}

function narrow(
  db: Db,
  organizationId: string,
  equal: ReadonlyMap<string, string>,
): ReturnType<typeof groups> | undefined {
  const query = groups(db, organizationId)
  const [id, name, externalId, member] = ['id', 'displayName', 'externalId', 'members'].map(key =>
    equal.get(key),
  )
  if (id !== undefined) return query.where('principal.id', '=', id)
  if (name !== undefined) return query.where('principal.externalId', '=', foldName(name))
  if (externalId !== undefined) return query.where('scimGroup.externalId', '=', externalId)
  if (member === undefined) return undefined
  const holding = db
    .selectFrom('groupMember')
    .innerJoin('principal as member', join =>
      join
        .onRef('member.organizationId', '=', 'groupMember.organizationId')
        .onRef('member.seq', '=', 'groupMember.memberSeq'),
    )
    .select('groupMember.groupSeq')
    .where('groupMember.organizationId', '=', organizationId)
    .where('member.id', '=', member)
  return query.where('principal.seq', 'in', holding)
}

async function getRow(db: Db, { organizationId }: Token, id: string): Promise<GroupRow> {
  const row = await groups(db, organizationId).where('principal.id', '=', id).executeTakeFirst()
  if (!row) throw new ScimError(404, `There is no group ${id} here.`)
  return row
}

function readName(resource: Part): string {
  const read = shapes.Title.safeParse(textOf(resource, 'displayName')?.trim())
  if (!read.success)
    throw new ScimError(400, 'A group has a displayName of 1 to 200 characters.', 'invalidValue')
  refuseExternalId(read.data)
  if (isId(read.data)) throw new ScimError(400, 'A group is not called like an id of ours.', 'invalidValue')
  return read.data
}

/** Writes what a directory says of a group: its name, exactly its members, and the roles that follow from its name. */
async function write(ctx: Context, token: Token, row: GroupRow, resource: Part): Promise<void> {
  const displayName = readName(resource)
  const wanted = await findPeople(ctx.store.db, token, manyOf(resource, 'members'))
  await ctx.store.write(async tx => {
    const { theirId: _, displayName: _d, providerId, madeAt: _m, updatedAt: _u, ...principal } = row
    await renameGroup(ctx, tx, principal satisfies Row<'principal'>, displayName)
    const updatedAt = isoTime(ctx.now())
    await tx
      .updateTable('scimGroup')
      .set({ displayName, externalId: textOf(resource, 'externalId') ?? null, updatedAt })
      .where('groupId', '=', row.id)
      .execute()
    await setMembers(ctx, tx, row, wanted)
    if (providerId !== null) await reconcile(ctx, tx, providerId, row.seq)
  })
}

async function setMembers(ctx: Context, tx: Tx, group: GroupRow, wanted: ReadonlySet<number>): Promise<void> {
  const held = new Set((await readMembers(tx, group.organizationId, group.id)).map(({ seq }) => seq))
  const of = (memberSeq: number): Membership => ({
    ...{ organizationId: group.organizationId, groupSeq: group.seq, memberSeq },
  })
  const drop = [...held].filter(seq => !wanted.has(seq)).map(of)
  const add = [...wanted].filter(seq => !held.has(seq)).map(of)
  await changeMembers(ctx, tx, drop, add)
}

async function reconcile(ctx: Context, tx: Tx, providerId: string, seq: number): Promise<void> {
  const provider = await tx
    .selectFrom('identityProvider')
    .select(['id', 'organizationId', 'status'])
    .where('id', '=', providerId)
    .executeTakeFirst()
  if (provider) await reconcileRoles(ctx, tx, provider, seq)
}

/** The numbers of people by their ids; one that is nobody here is refused, so that nothing is believed to be there. */
async function findPeople(db: Db, { organizationId }: Token, members: readonly Part[]): Promise<Set<number>> {
  const ids = [...new Set(members.map(member => textOf(member, 'value') ?? ''))]
  const found = new Map<string, number>()
  for (let from = 0; from < ids.length; from += MOST_AT_ONCE) {
    const rows = await db
      .selectFrom('principal')
      .select(['id', 'seq'])
      .where('organizationId', '=', organizationId)
      .where('kind', '=', 'user')
      .where('status', '!=', 'retired')
      .where('id', 'in', ids.slice(from, from + MOST_AT_ONCE))
      .execute()
    for (const { id, seq } of rows) found.set(id, seq)
  }
  const unknown = ids.find(id => !found.has(id))
  if (unknown !== undefined)
    throw new ScimError(400, `There is no user ${unknown.slice(0, 80)} here.`, 'invalidValue')
  return new Set(found.values())
}
