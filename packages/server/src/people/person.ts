import { CATALOGUE } from '@valetkey/sdk/core'
import { foldName } from '../directory/index.ts'
import type { Db } from '../store/index.ts'

/** Somebody who may sign in now. */
export interface Person {
  id: string
  seq: number
  name: string
  email: string
  organization: { id: string; slug: string; name: string }
}

function people(db: Db) {
  return db
    .selectFrom('principal')
    .innerJoin('organization', 'organization.id', 'principal.organizationId')
    .select([
      'principal.id',
      'principal.seq',
      'principal.name',
      'principal.externalId as email',
      'organization.id as organizationId',
      'organization.slug',
      'organization.name as organizationName',
    ])
    .where('principal.kind', '=', 'user')
    .where('principal.status', '=', 'active')
    .where('organization.status', '=', 'active')
}

type Row = NonNullable<Awaited<ReturnType<ReturnType<typeof people>['executeTakeFirst']>>>

function toPerson({ id, seq, name, email, organizationId, slug, organizationName }: Row): Person {
  return { id, seq, name, email, organization: { id: organizationId, slug, name: organizationName } }
}

/** An active person of an active organization, by id. */
export async function findPerson(db: Db, id: string): Promise<Person | undefined> {
  const row = await people(db).where('principal.id', '=', id).executeTakeFirst()
  return row && toPerson(row)
}

/** The same by what people type: the email address, and the organization by id or short name. */
export async function findByEmail(db: Db, organization: string, email: string): Promise<Person | undefined> {
  const row = await people(db)
    .where('principal.externalId', '=', foldName(email.trim()))
    .where(eb =>
      eb.or([eb('organization.id', '=', organization), eb('organization.slug', '=', organization)]),
    )
    .executeTakeFirst()
  return row && toPerson(row)
}

/** The organization, where there is only one. */
export async function findOnlyOrganization(db: Db): Promise<string | undefined> {
  const rows = await db
    .selectFrom('organization')
    .select('id')
    .where('id', '!=', CATALOGUE)
    .limit(2)
    .execute()
  return rows.length === 1 ? rows[0]?.id : undefined
}
