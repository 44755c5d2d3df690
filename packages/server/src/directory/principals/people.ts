import { AppError, isId, newId } from '@valetkey/sdk/core'
import { beginChange, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { principalFact, type Row } from '../fact-of.ts'
import { revokeGrant } from '../grants/grants.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, requireReason } from '../operation.ts'
import { endSessions, takeMailedBack } from '../organizations/sessions.ts'
import { readPage } from '../page.ts'
import { getOrganization, getPrincipal, locatePrincipal, quote } from '../reference.ts'
import { refuseExternalId } from '../resources/resource-rules.ts'
import { asOneChange } from '../transaction.ts'
import { changeMembers, readMemberships } from './groups.ts'
import { insertPrincipal, pagesOf } from './principals.ts'

type Person = OutputOf<'people', 'get'>

function toPerson(row: Row<'principal'>): Person {
  const { id, organizationId, externalId, name, status, managedBy, createdAt } = row
  if (status === 'pending') throw new Error(`person ${id} is pending`)
  const email = externalId.includes('@') ? externalId : ''
  return { id, organization: organizationId, email, externalId, name, status, managedBy, createdAt }
}

export async function listPeople(
  ctx: Context,
  input: InputOf<'people', 'list'>,
): Promise<OutputOf<'people', 'list'>> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const read = pagesOf(ctx.store.db, organization.id, 'user')
  return readPage(ctx, `people:${organization.id}`, input, read, toPerson)
}

export async function showPerson(ctx: Context, input: InputOf<'people', 'get'>): Promise<Person> {
  return toPerson(await locatePrincipal(ctx.store.db, 'user', input.id, input.organization))
}

/** Adds a person, who can own agents; `managedBy` says who keeps them up to date, if not an administrator. */
export async function createPerson(
  ctx: Context,
  input: InputOf<'people', 'create'>,
  managedBy: string | null = null,
): Promise<Person> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const id = newId('person', ctx.now())
  const externalId = externalIdOf(input)
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row = await insertPrincipal(
      tx,
      ctx,
      { id, organizationId: organization.id, kind: 'user', externalId, name: input.name, managedBy },
      `There is a person ${quote(externalId)} in ${organization.slug} already.`,
    )
    await change.log({ fact: 'principal', id, value: principalFact(row) })
    const detail = { email: toPerson(row).email, externalId: row.externalId, name: row.name }
    await recordBy(ctx, tx, { organization: organization.id, type: 'person.created', target: id, detail })
    return toPerson(row)
  })
}

/** What a person is called by, exactly one way: two names for one person would be two people one day. */
function externalIdOf({ email, externalId }: InputOf<'people', 'create'>): string {
  const [name, other] = [email, externalId].filter(given => given !== undefined)
  if (name === undefined || other !== undefined)
    throw new AppError('request.invalid', 'Give the email address or an external id, one of the two.', {
      path: email === undefined ? 'email' : 'externalId',
    })
  refuseExternalId(name)
  if (isId(name))
    throw new AppError(
      'request.invalid',
      `${quote(name)} has the form of an id of ours. Choose another one.`,
      {
        path: 'externalId',
      },
    )
  return name
}

/**
 * Renames or suspends a person. The agents of an owner who is not active are refused from the next revision on, and the
 * person's sessions have ended, for good.
 */
export async function updatePerson(ctx: Context, input: InputOf<'people', 'update'>): Promise<Person> {
  const found = await locatePrincipal(ctx.store.db, 'user', input.id, input.organization)
  const organization = await getOrganization(ctx.store.db, found.organizationId)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const before = await getPrincipal(tx, organization, 'user', found.id)
    const { name = before.name, status = before.status, reason } = input
    // What is final comes first.
    if (before.status !== 'retired') requireReason({ before: before.status, after: status }, reason)
    return toPerson(await changePerson(ctx, tx, before, { name, status }, reason))
  })
}

/** Changes what is known of a person, in a transaction that holds the organization's lock. */
export async function changePerson(
  ctx: Context,
  tx: Tx,
  before: Row<'principal'>,
  wanted: Partial<Pick<Row<'principal'>, 'name' | 'status' | 'externalId' | 'managedBy'>>,
  reason?: string,
): Promise<Row<'principal'>> {
  const keys = (Object.keys(wanted) as (keyof typeof wanted)[]).filter(key => wanted[key] !== before[key])
  if (keys.length === 0) return before
  if (before.status === 'retired')
    throw new AppError('conflict.state', `${quote(before.externalId)} is retired, which is final.`)
  const change = await beginChange(tx, before.organizationId, byWhom(ctx))
  const after = { ...before, ...wanted }
  const update = tx.updateTable('principal').set(wanted).where('id', '=', before.id).execute()
  await refuseDuplicate(update, `There is a person ${quote(after.externalId)} already.`)
  if (after.status !== 'active') await endSessions(tx, after.id)
  // What lies in a mailbox lets in whoever has the mailbox: not after a suspension, nor where the person has another one.
  if (after.status !== 'active' || after.externalId !== before.externalId) await takeMailedBack(tx, after.id)
  await change.log({ fact: 'principal', id: after.id, value: principalFact(after) })
  const pick = (row: Row<'principal'>) => Object.fromEntries(keys.map(key => [key, row[key]]))
  await recordBy(ctx, tx, {
    ...{ organization: before.organizationId, type: 'person.updated', target: before.id },
    detail: { before: pick(before), after: pick(after), ...(reason !== undefined && { reason }) },
  })
  return after
}

/**
 * Retires a person for good, on the word of a directory that has removed them: what they consented to ends, no group has
 * them, and the name is free for somebody else, who inherits nothing.
 */
export async function retirePerson(ctx: Context, person: Row<'principal'>): Promise<void> {
  const { id, organizationId: organization } = person
  await asOneChange(ctx, [organization], async ctx => {
    const { db, write } = ctx.store
    const grants = db
      .selectFrom('grant')
      .select('id')
      .where('personId', '=', id)
      .where('revokedAt', 'is', null)
    for (const grant of await grants.orderBy('id').execute())
      await revokeGrant(ctx, { id: grant.id, organization })
    await write(async tx => {
      await changeMembers(ctx, tx, await readMemberships(tx, person), [])
      await tx.deleteFrom('identityLink').where('personId', '=', id).execute()
      await changePerson(ctx, tx, person, { status: 'retired', externalId: id })
    })
  })
}
