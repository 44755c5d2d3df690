import { AppError, isoTime, newId, newSecret } from '@valetkey/sdk/core'
import { record } from '../../audit/index.ts'
import type { Context, InputOf, OutputOf } from '../../directory/index.ts'
import { getOrganization, locatePrincipal, quote, takeMailedBack } from '../../directory/index.ts'
import type { Mailer } from '../../mail/index.ts'
import { hashSecret, type Store, type Tx } from '../../store/index.ts'
import { STRINGS } from '../pages/strings.ts'
import { findPerson, type Person } from './person.ts'

const LIFE_DAYS = 3
const LIFE_MS = LIFE_DAYS * 24 * 60 * 60_000

/**
 * Makes the link by which a person sets a password, the first one or a new one, and takes back every earlier link. It is
 * shown this once; only its hash is kept.
 */
export async function invite(
  ctx: Context,
  input: InputOf<'invitations', 'create'>,
  { issuer, mailer }: { issuer: string; mailer: Mailer | undefined },
): Promise<OutputOf<'invitations', 'create'>> {
  const { db } = ctx.store
  const principal = await locatePrincipal(db, 'user', input.id, input.organization)
  const { id: person, organizationId, externalId, status } = principal
  if (status !== 'active') throw new AppError('conflict.state', `${quote(externalId)} is ${status}.`)
  if (!externalId.includes('@'))
    throw new AppError('conflict.state', `${quote(externalId)} has no email address to sign in with.`)
  if (input.mail && !mailer)
    throw new AppError(
      'mail.off',
      'This authority sends no mail: set mailUrl and mailFrom, or hand the link over.',
    )
  const secret = newSecret('vk_inv')
  const expiresAt = isoTime(ctx.now() + LIFE_MS)
  const id = newId('invitation', ctx.now())
  await ctx.store.write(async tx => {
    await takeMailedBack(tx, person)
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
  const url = `${issuer}/invitation/${secret}`
  if (input.mail) {
    const { subject, text } = STRINGS.mail.invitation
    const { name } = await getOrganization(db, organizationId)
    const mail = { subject: subject(name), text: text(principal.name, name, url, LIFE_DAYS) }
    await mailer?.send({ to: externalId, ...mail })
  }
  return { id, person, email: externalId, expiresAt, url }
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
export async function useInvitation(tx: Tx, secret: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('invitation')
    .set({ usedAt: isoTime(now) })
    .where('hash', '=', hashSecret(secret))
    .where('usedAt', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}
