import { CATALOGUE } from '@valetkey/sdk/core'
import { foldName, type SignInPolicy, toSignInPolicy } from '../../directory/index.ts'
import type { Db } from '../../store/index.ts'

/** Somebody who may sign in now. */
export interface Person {
  id: string
  seq: number
  name: string
  email: string
  /** Sessions that were opened at another one have ended. */
  epoch: number
  organization: { id: string; slug: string; name: string }
  /** How the organization lets its people sign in. */
  policy: SignInPolicy
}

function people(db: Db) {
  return db
    .selectFrom('principal')
    .innerJoin('organization', 'organization.id', 'principal.organizationId')
    .leftJoin('signInPolicy', 'signInPolicy.organizationId', 'organization.id')
    .select([
      'principal.id',
      'principal.seq',
      'principal.name',
      'principal.externalId as email',
      'principal.sessionEpoch as epoch',
      'signInPolicy.methods',
      'signInPolicy.secondFactor',
      'signInPolicy.sessionMinutes',
      'organization.id as organizationId',
      'organization.slug',
      'organization.name as organizationName',
    ])
    .where('principal.kind', '=', 'user')
    .where('principal.status', '=', 'active')
    .where('organization.status', '=', 'active')
}

type Row = NonNullable<Awaited<ReturnType<ReturnType<typeof people>['executeTakeFirst']>>>

function toPerson(row: Row): Person {
  const { id, seq, name, email, epoch, organizationId, slug, organizationName } = row
  const organization = { id: organizationId, slug, name: organizationName }
  return { id, seq, name, email, epoch, organization, policy: toSignInPolicy(row) }
}

/** An active person of an active organization, by id. */
export async function findPerson(db: Db, id: string): Promise<Person | undefined> {
  const row = await people(db).where('principal.id', '=', id).executeTakeFirst()
  return row && toPerson(row)
}

/** The same by what people type: the email address. */
export async function findByEmail(
  db: Db,
  organization: string | undefined,
  email: string,
): Promise<Person | undefined> {
  const row = await people(db)
    .where('principal.externalId', '=', foldName(email.trim()))
    .where('organization.id', '=', organization ?? '')
    .executeTakeFirst()
  return row && toPerson(row)
}

/** The organization in which somebody signs in, and how its people may. */
export interface Home {
  id: string
  policy: SignInPolicy
}

/** By id or short name; where nothing is said, the only one. */
export async function findHome(db: Db, organization: string | undefined): Promise<Home | undefined> {
  const rows = await db
    .selectFrom('organization')
    .leftJoin('signInPolicy', 'signInPolicy.organizationId', 'organization.id')
    .select(['id', 'methods', 'secondFactor', 'sessionMinutes'])
    .where('id', '!=', CATALOGUE)
    .$if(organization !== undefined, query =>
      query.where(eb => eb.or([eb('id', '=', organization ?? ''), eb('slug', '=', organization ?? '')])),
    )
    .limit(2)
    .execute()
  const [row] = rows
  return row && rows.length === 1 ? { id: row.id, policy: toSignInPolicy(row) } : undefined
}
