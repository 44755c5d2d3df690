import { AppError, isoTime, newId, newSecret } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import type { Context, InputOf, OutputOf } from '../directory/index.ts'
import { locatePrincipal, quote } from '../directory/index.ts'
import { hashSecret, type Store } from '../store/index.ts'
import { findPerson, type Person } from './person.ts'

const LIFE_MS = 3 * 24 * 60 * 60_000

/**
 * Makes the link by which a person sets a password, the first one or a new one, and takes back every earlier link. It is
 * shown this once; only its hash is kept.
 */
export async function invite(
  ctx: Context,
  input: InputOf<'invitations', 'create'>,
  issuer: string,
): Promise<OutputOf<'invitations', 'create'>> {
  const { db } = ctx.store
  const {
    id: person,
    organizationId,
    externalId,
    status,
  } = await locatePrincipal(db, 'user', input.id, input.organization)
  if (status !== 'active') throw new AppError('conflict.state', `${quote(externalId)} is ${status}.`)
  if (!externalId.includes('@'))
    throw new AppError('conflict.state', `${quote(externalId)} has no email address to sign in with.`)
  const secret = newSecret('vk_inv')
  const expiresAt = isoTime(ctx.now() + LIFE_MS)
  const id = newId('invitation', ctx.now())
  await ctx.store.write(async tx => {
    await tx.deleteFrom('invitation').where('personId', '=', person).where('usedAt', 'is', null).execute()
    const row = { id, organizationId, personId: person, hash: hashSecret(secret), usedAt: null, expiresAt }
    const made = { createdAt: isoTime(ctx.now()), createdBy: ctx.actor.id }
    await tx
      .insertInto('invitation')
      .values({ ...row, ...made })
      .execute()
    const event = {
      organization: organizationId,
      type: 'person.invited',
      actor: ctx.actor.id,
      target: person,
    }
    await record(tx, { ...event, detail: { invitation: id, email: externalId, expiresAt } }, ctx.now())
  })
  return { id, person, email: externalId, expiresAt, url: `${issuer}/invitation/${secret}` }
}

/** The person whom a link invites, while it is good. */
export async function findInvited(store: Store, secret: string, now: number): Promise<Person | undefined> {
  const row = await store.db
    .selectFrom('invitation')
    .select('personId')
    .where('hash', '=', hashSecret(secret))
    .where('usedAt', 'is', null)
    .where('expiresAt', '>', isoTime(now))
    .executeTakeFirst()
  return row && findPerson(store.db, row.personId)
}

/** Uses up a link; false where somebody was faster. */
export function redeem(store: Store, secret: string, person: Person, now: number): Promise<boolean> {
  return store.write(async tx => {
    const { numUpdatedRows } = await tx
      .updateTable('invitation')
      .set({ usedAt: isoTime(now) })
      .where('hash', '=', hashSecret(secret))
      .where('usedAt', 'is', null)
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 0n) return false
    const event = { organization: person.organization.id, type: 'person.password_set' }
    await record(tx, { ...event, actor: person.id, target: person.id, detail: { by: 'invitation' } }, now)
    return true
  })
}
