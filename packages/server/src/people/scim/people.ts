import { shapes } from '@valetkey/sdk/contract'
import { isoTime } from '@valetkey/sdk/core'
import {
  asOneChange,
  type Context,
  changePerson,
  createPerson,
  foldName,
  type Row,
  refuseExternalId,
  retirePerson,
} from '../../directory/index.ts'
import type { Db } from '../../store/index.ts'
import { USER_SCHEMA } from './attributes.ts'
import { ScimError } from './error.ts'
import type { Kind, Stored } from './resource.ts'
import { manyOf, type Part, textOf } from './value.ts'

const MOST_BYTES = 16 * 1024

function people(db: Db, organization: string) {
  return db
    .selectFrom('principal')
    .leftJoin('scimPerson', 'scimPerson.personId', 'principal.id')
    .selectAll('principal')
    .select([
      'scimPerson.externalId as theirId',
      'scimPerson.active as theirActive',
      'scimPerson.attributes',
      'scimPerson.updatedAt',
    ])
    .where('principal.organizationId', '=', organization)
    .where('principal.kind', '=', 'user')
    .where('principal.status', '!=', 'retired')
}

type PersonRow = Awaited<ReturnType<ReturnType<typeof people>['executeTakeFirstOrThrow']>>

/** A person as a directory sees them: everybody of the organization who is not gone for good. */
function toStored(row: PersonRow): Stored {
  const { id, externalId, name, status, theirId, attributes, createdAt, updatedAt } = row
  const kept = attributes === null ? asFound(externalId, name) : (JSON.parse(attributes) as Part)
  return {
    id,
    resource: {
      ...kept,
      userName: externalId,
      active: status === 'active',
      ...(theirId !== null && { externalId: theirId }),
    },
    createdAt,
    updatedAt: updatedAt ?? createdAt,
  }
}

/** What can be said of somebody whom no directory has described. */
function asFound(userName: string, name: string): Part {
  const emails = userName.includes('@') ? { emails: [{ value: userName, primary: true }] } : {}
  return { displayName: name, name: { formatted: name }, ...emails }
}

/** People, as SCIM reads and writes them. */
export const PEOPLE: Kind = {
  schema: USER_SCHEMA,
  late: 'groups',

  async find(db, { organizationId }, id) {
    const row = await people(db, organizationId).where('principal.id', '=', id).executeTakeFirst()
    return row && toStored(row)
  },

  async page(db, { organizationId }, { after = '', skip = 0, limit }) {
    const rows = await people(db, organizationId)
      .where('principal.id', '>', after)
      .orderBy('principal.id')
      .offset(skip)
      .limit(limit)
      .execute()
    return rows.map(toStored)
  },

  async count(db, { organizationId }) {
    const { count } = await db
      .selectFrom('principal')
      .select(eb => eb.fn.countAll<number>().as('count'))
      .where('organizationId', '=', organizationId)
      .where('kind', '=', 'user')
      .where('status', '!=', 'retired')
      .executeTakeFirstOrThrow()
    return Number(count)
  },

  async lookUp(db, { organizationId }, equal) {
    const query = narrow(people(db, organizationId), equal)
    return query && (await query.execute()).map(toStored)
  },

  async complete(db, { organizationId }, stored) {
    if (stored.length === 0) return []
    const groups = await db
      .selectFrom('groupMember')
      .innerJoin('principal as person', join =>
        join
          .onRef('person.organizationId', '=', 'groupMember.organizationId')
          .onRef('person.seq', '=', 'groupMember.memberSeq'),
      )
      .innerJoin('principal as group', join =>
        join
          .onRef('group.organizationId', '=', 'groupMember.organizationId')
          .onRef('group.seq', '=', 'groupMember.groupSeq'),
      )
      .innerJoin('scimGroup', 'scimGroup.groupId', 'group.id')
      .select(['person.id as person', 'group.id', 'scimGroup.displayName'])
      .where('groupMember.organizationId', '=', organizationId)
      .where(
        'person.id',
        'in',
        stored.map(({ id }) => id),
      )
      .orderBy('group.id')
      .execute()
    return stored.map(one => {
      const own = groups.filter(({ person }) => person === one.id)
      if (own.length === 0) return one
      const values = own.map(({ id, displayName }) => ({ value: id, display: displayName }))
      return { ...one, resource: { ...one.resource, groups: values } }
    })
  },

  create(ctx, token, resource) {
    return asOneChange(ctx, [token.organizationId], async ctx => {
      const userName = readUserName(resource)
      const { db } = ctx.store
      const input = { organization: token.organizationId, name: nameOf(resource) }
      const who = userName.includes('@') ? { email: userName } : { externalId: userName }
      const { id } = await createPerson(ctx, { ...input, ...who }, 'scim')
      const person = await getRow(db, token.organizationId, id)
      await write(ctx, person, { ...resource, active: resource['active'] ?? true })
      return id
    })
  },

  replace(ctx, token, id, change) {
    return asOneChange(ctx, [token.organizationId], async ctx => {
      const person = await getRow(ctx.store.db, token.organizationId, id)
      // What the directory said itself: it is not asked to answer for what an administrator did.
      const said = { ...toStored(person).resource, active: isIn(person) }
      const changed = change(said)
      await write(ctx, person, { ...changed, active: changed['active'] ?? said.active })
    })
  },

  remove(ctx, token, id) {
    return asOneChange(ctx, [token.organizationId], async ctx => {
      const person = await getRow(ctx.store.db, token.organizationId, id)
      await ctx.store.write(tx => tx.deleteFrom('scimPerson').where('personId', '=', id).execute())
      await retirePerson(ctx, person)
    })
  },
}

function narrow(
  query: ReturnType<typeof people>,
  equal: ReadonlyMap<string, string>,
): ReturnType<typeof people> | undefined {
  const [id, userName, externalId] = ['id', 'userName', 'externalId'].map(name => equal.get(name))
  if (id !== undefined) return query.where('principal.id', '=', id)
  if (userName !== undefined) return query.where('principal.externalId', '=', foldName(userName))
  if (externalId !== undefined) return query.where('scimPerson.externalId', '=', externalId)
  return undefined
}

async function getRow(db: Db, organization: string, id: string): Promise<PersonRow> {
  const row = await people(db, organization).where('principal.id', '=', id).executeTakeFirst()
  if (!row) throw new ScimError(404, `There is no user ${id} here.`)
  return row
}

function readUserName(resource: Part): string {
  const read = shapes.ExternalId.safeParse(textOf(resource, 'userName')?.trim())
  if (!read.success) throw new ScimError(400, 'A user has a userName of 1 to 256 characters.', 'invalidValue')
  refuseExternalId(read.data)
  return foldName(read.data)
}

/** What people are shown: the display name, else the name, else what the person signs in with. */
function nameOf(resource: Part): string {
  const { name } = resource
  const parts: Part = typeof name === 'object' && !Array.isArray(name) ? name : {}
  const whole = [textOf(parts, 'givenName'), textOf(parts, 'familyName')].filter(Boolean).join(' ')
  const given =
    textOf(resource, 'displayName') || textOf(parts, 'formatted') || whole || textOf(resource, 'userName')
  const read = shapes.Title.safeParse(given?.trim())
  if (read.success) return read.data
  throw new ScimError(
    400,
    'The name is empty, too long, or holds characters that nobody can see.',
    'invalidValue',
  )
}

/**
 * Writes what a directory says of a person. Whom it takes out is suspended, every time it says so; whom it lets in again
 * is reinstated only if it was the directory that took them out, so that it cannot undo what an administrator did.
 */
async function write(ctx: Context, person: PersonRow, resource: Part): Promise<void> {
  refuseManyPrimaries(resource)
  const { userName: _, active, externalId, ...kept } = resource
  const attributes = JSON.stringify(kept)
  if (Buffer.byteLength(attributes) > MOST_BYTES)
    throw new ScimError(400, `What is kept of a user has ${MOST_BYTES} bytes at most.`, 'invalidValue')
  const isOut = active === false
  const status = isOut ? 'suspended' : isIn(person) ? person.status : 'active'
  // To say of somebody who is out already that they are out is not to have taken them out.
  const isTheirs = isOut && (person.status === 'active' || !isIn(person))
  const { theirId: _t, theirActive: _a, attributes: _b, updatedAt: _u, ...principal } = person
  const said = {
    externalId: typeof externalId === 'string' ? externalId : null,
    active: isTheirs ? 0 : 1,
    ...{ attributes, updatedAt: isoTime(ctx.now()) },
  }
  await ctx.store.write(async tx => {
    await changePerson(ctx, tx, principal satisfies Row<'principal'>, {
      ...{ externalId: readUserName(resource), name: nameOf(resource) },
      ...{ status, managedBy: 'scim' },
    })
    const key = { organizationId: person.organizationId, personId: person.id, createdAt: said.updatedAt }
    await tx
      .insertInto('scimPerson')
      .values({ ...key, ...said })
      .onConflict(conflict => conflict.columns(['organizationId', 'personId']).doUpdateSet(said))
      .execute()
  })
}

/** Whether the directory has somebody in, as far as it was ever asked. */
function isIn({ theirActive }: PersonRow): boolean {
  return theirActive !== 0
}

function refuseManyPrimaries(resource: Part): void {
  if (manyOf(resource, 'emails').filter(one => one['primary'] === true).length > 1)
    throw new ScimError(400, 'One email address at most is the primary one.', 'invalidValue')
}
