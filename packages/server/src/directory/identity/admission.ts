import { shapes } from '@valetkey/sdk/contract'
import { newId } from '@valetkey/sdk/core'
import * as z from 'zod'
import type { Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { recordBy, timeOf } from '../operation.ts'
import { changePerson, createPerson } from '../principals/people.ts'
import { foldName } from '../reference.ts'
import { asOneChange } from '../transaction.ts'
import { maySpeakFor } from './domains.ts'
import { findProvider, type ProviderRow } from './provider-row.ts'
import { reconcileRoles } from './reconcile.ts'

/** What an identity provider says of somebody, once it is known that it says so. */
export interface Assertion {
  /** Names the person at the provider, for good. */
  subject: string
  email: string | undefined
  /** Whether the provider answers for the address. */
  isEmailVerified: boolean
  name: string | undefined
  groups: readonly string[]
}

/** Why somebody is not let in, although a provider says who it is. */
export type AdmissionRefusal =
  | 'provider_gone'
  | 'subject_strange'
  | 'email_missing'
  | 'email_unverified'
  | 'domain_foreign'
  | 'person_unknown'
  | 'person_inactive'
  | 'address_taken'

export type Admission = { person: string } | { refused: AdmissionRefusal }

const Email = z.email().max(320)
/** Something to tell people apart by: of a length to be kept, and nothing that cannot be seen. */
const Subject = z.string().regex(/^\P{Cc}{1,512}$/u)
const MOST_GROUPS = 1_000

/**
 * Says who a subject of a provider is here, and takes over what the provider says of that person. Once linked, the
 * subject alone decides; before, it is the address, of a domain that this provider speaks for, in its own organization
 * and nowhere else. An address that belongs to another subject already is not given to a second one.
 */
export async function admit(
  ctx: Context,
  provider: Pick<ProviderRow, 'id' | 'organizationId'>,
  said: Assertion,
): Promise<Admission> {
  if (!Subject.safeParse(said.subject).success) return { refused: 'subject_strange' }
  return asOneChange(ctx, [provider.organizationId], async ctx => {
    const { db } = ctx.store
    const now = await findProvider(db, provider.id)
    if (!now) return { refused: 'provider_gone' }
    const link = await db
      .selectFrom('identityLink')
      .innerJoin('principal', 'principal.id', 'identityLink.personId')
      .selectAll('principal')
      .where('providerId', '=', now.id)
      .where('subject', '=', said.subject)
      .executeTakeFirst()
    const found = link ?? (await meet(ctx, now, said))
    if ('refused' in found) return found
    if (found.status !== 'active') return { refused: 'person_inactive' }
    await ctx.store.write(tx => takeOver(ctx, tx, now, found, said))
    return { person: found.id }
  })
}

/** Finds or makes the person of an address, for a subject that comes for the first time, and links the two. */
async function meet(
  ctx: Context,
  provider: ProviderRow,
  said: Assertion,
): Promise<Row<'principal'> | { refused: AdmissionRefusal }> {
  const { db } = ctx.store
  const email = Email.safeParse(said.email).data
  if (email === undefined) return { refused: 'email_missing' }
  if (!said.isEmailVerified) return { refused: 'email_unverified' }
  if (!(await maySpeakFor(db, provider, email))) return { refused: 'domain_foreign' }
  const known = await findByAddress(ctx, provider, email)
  if (!known && provider.provisions === 0) return { refused: 'person_unknown' }
  if (known && known.status !== 'active') return { refused: 'person_inactive' }
  if (known && (await isLinked(ctx, provider, known))) return { refused: 'address_taken' }
  const name = nameOf(said) ?? email
  const input = { organization: provider.organizationId, email, name }
  if (!known) await createPerson(ctx, input, provider.id)
  const person = known ?? (await findByAddress(ctx, provider, email))
  if (!person) throw new Error(`a person was made and is not there: ${provider.id}`)
  await ctx.store.write(tx => insertLink(ctx, tx, provider, person, said))
  return person
}

function findByAddress({ store }: Context, { organizationId }: ProviderRow, email: string) {
  return store.db
    .selectFrom('principal')
    .selectAll()
    .where('organizationId', '=', organizationId)
    .where('kind', '=', 'user')
    .where('externalId', '=', foldName(email))
    .executeTakeFirst()
}

async function isLinked(
  { store }: Context,
  provider: ProviderRow,
  person: Row<'principal'>,
): Promise<boolean> {
  const link = await store.db
    .selectFrom('identityLink')
    .select('id')
    .where('providerId', '=', provider.id)
    .where('personId', '=', person.id)
    .executeTakeFirst()
  return link !== undefined
}

async function insertLink(
  ctx: Context,
  tx: Tx,
  provider: ProviderRow,
  person: Row<'principal'>,
  { subject }: Assertion,
): Promise<void> {
  const id = newId('identityLink', ctx.now())
  const at = { createdAt: timeOf(ctx), lastUsedAt: timeOf(ctx) }
  const row = { id, organizationId: provider.organizationId, providerId: provider.id, personId: person.id }
  await tx
    .insertInto('identityLink')
    .values({ ...row, ...at, subject, groupNames: '[]' })
    .execute()
  await recordBy(ctx, tx, {
    ...{ organization: provider.organizationId, type: 'identity_link.created', target: person.id },
    detail: { provider: provider.id, subject, email: person.externalId },
  })
}

/** Name, address, groups and the roles that follow from them. Another address does not make another person. */
async function takeOver(
  ctx: Context,
  tx: Tx,
  provider: ProviderRow,
  person: Row<'principal'>,
  said: Assertion,
): Promise<void> {
  const groupNames = JSON.stringify([...new Set(said.groups)].sort().slice(0, MOST_GROUPS))
  await tx
    .updateTable('identityLink')
    .set({ groupNames, lastUsedAt: timeOf(ctx) })
    .where('providerId', '=', provider.id)
    .where('personId', '=', person.id)
    .execute()
  // Whoever made a person keeps the person up to date: an administrator and a directory are not overruled.
  if (person.managedBy === provider.id)
    await changePerson(ctx, tx, person, {
      name: nameOf(said) ?? person.name,
      externalId: await addressOf(ctx, provider, person, said),
    })
  await reconcileRoles(ctx, tx, provider, person.seq)
}

/** The person's new address, where the provider speaks for it and nobody else has it; else the one that stands. */
async function addressOf(
  ctx: Context,
  provider: ProviderRow,
  person: Row<'principal'>,
  said: Assertion,
): Promise<string> {
  const email = said.isEmailVerified ? Email.safeParse(said.email).data : undefined
  if (email === undefined || foldName(email) === person.externalId) return person.externalId
  const mayChange = await maySpeakFor(ctx.store.db, provider, email)
  return mayChange && !(await findByAddress(ctx, provider, email)) ? foldName(email) : person.externalId
}

/** What the provider calls the person, if that is something to show. */
function nameOf({ name }: Assertion): string | undefined {
  return shapes.Title.safeParse(name?.trim().slice(0, 200)).data
}
