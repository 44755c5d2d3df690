import { newId } from '@valetkey/sdk/core'
import type { Product } from '../product.ts'

/** Links a person with a provider of the organization, as the first sign-in there does; gives the id of the link. */
export async function linkPerson(
  { store }: Product,
  { provider, person, groups = [] }: { provider: string; person: string; groups?: string[] },
): Promise<string> {
  const { organizationId } = await store.db
    .selectFrom('principal')
    .select('organizationId')
    .where('id', '=', person)
    .executeTakeFirstOrThrow()
  const id = newId('identityLink')
  const at = { createdAt: '2027-01-01T00:00:00Z', lastUsedAt: '2027-01-01T00:00:00Z' }
  const row = { id, organizationId, providerId: provider, personId: person, subject: `sub-${person}` }
  await store.db
    .insertInto('identityLink')
    .values({ ...row, ...at, groupNames: JSON.stringify(groups) })
    .execute()
  return id
}
