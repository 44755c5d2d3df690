import { AppError, isId, newId } from '@valetkey/sdk/core'
import { beginChange } from '../store/index.ts'
import type { Context } from './context.ts'
import { principalFact, type Row } from './fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy } from './operation.ts'
import { readPage } from './page.ts'
import { insertPrincipal, pagesOf } from './principals.ts'
import { getOrganization, getPrincipal, locatePrincipal, quote } from './reference.ts'
import { refuseExternalId } from './resource-rules.ts'

type Person = OutputOf<'people', 'get'>

function toPerson(row: Row<'principal'>): Person {
  const { id, organizationId, externalId, name, status, createdAt } = row
  if (status === 'pending') throw new Error(`person ${id} is pending`)
  const email = externalId.includes('@') ? externalId : ''
  return { id, organization: organizationId, email, externalId, name, status, createdAt }
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

/** Adds a person, who can own agents. */
export async function createPerson(ctx: Context, input: InputOf<'people', 'create'>): Promise<Person> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const id = newId('person', ctx.now())
  const externalId = externalIdOf(input)
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row = await insertPrincipal(
      tx,
      ctx,
      { id, organizationId: organization.id, kind: 'user', externalId, name: input.name },
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
    const name = input.name ?? before.name
    const status = input.status ?? before.status
    if (name === before.name && status === before.status) return toPerson(before)
    if (before.status === 'retired')
      throw new AppError('conflict.state', `${quote(before.externalId)} is retired, which is final.`)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const isLeaving = before.status === 'active' && status !== 'active'
    await tx
      .updateTable('principal')
      .set({ name, status })
      .$if(isLeaving, update => update.set(eb => ({ sessionEpoch: eb('sessionEpoch', '+', 1) })))
      .where('id', '=', before.id)
      .execute()
    const after = await getPrincipal(tx, organization, 'user', before.id)
    await change.log({ fact: 'principal', id: after.id, value: principalFact(after) })
    const detail = {
      before: { name: before.name, status: before.status },
      after: { name, status },
    }
    await recordBy(ctx, tx, {
      organization: organization.id,
      type: 'person.updated',
      target: after.id,
      detail,
    })
    return toPerson(after)
  })
}
