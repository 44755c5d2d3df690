import { isoTime } from '@valetkey/sdk/core'
import { beginChange, type Store, type Tx } from '../../packages/server/src/store/index.ts'

const AT = isoTime(0)

/** An organization with a person, an agent that the person owns, and its root resource, all named after it. */
export async function createOrganization(store: Store, name: string, seq: number): Promise<string> {
  const organizationId = `org_${name}`
  const principal = { organizationId, status: 'active', createdAt: AT } as const
  const [usr, agt] = [`usr_${name}`, `agt_${name}`]
  await store.write(async tx => {
    await tx
      .insertInto('organization')
      .values({ id: organizationId, seq, slug: name, name, status: 'active', createdAt: AT })
      .execute()
    await tx
      .insertInto('principal')
      .values([
        { ...principal, seq: 1, id: usr, kind: 'user', externalId: `${name}@example.com`, name: 'Ada' },
        { ...principal, seq: 2, id: agt, kind: 'agent', externalId: name, name },
      ])
      .execute()
    await tx
      .insertInto('agent')
      .values({ id: agt, organizationId, ownerId: usr, purpose: '', kind: 'both', ceiling: '[]' })
      .execute()
    await tx
      .insertInto('resource')
      .values({ organizationId, seq: 1, typeId: 'organization', externalId: name, name, createdRevision: 0 })
      .execute()
  })
  return organizationId
}

/** The smallest change there is: a token is revoked. Returns the revision it made. */
export function revokeToken(store: Store, organization: string, token: string): Promise<number> {
  return store.write(tx => revokeTokenIn(tx, organization, token))
}

export async function revokeTokenIn(tx: Tx, organization: string, token: string): Promise<number> {
  const change = await beginChange(tx, organization, { actor: 'tok_test', now: 0 })
  await tx
    .insertInto('revokedToken')
    .values({
      id: token,
      organizationId: organization,
      agentId: organization.replace('org_', 'agt_'),
      expiresAt: AT,
    })
    .execute()
  await change.log({ fact: 'revoked_token', id: token, value: { id: token, expiresAt: 0 } })
  return change.revision
}

/** What of an organization's revisions is in the database: its head, and each revision of the log with its token. */
export function readRevisions(store: Store, organization: string) {
  return store.read(async db => {
    const { revision } = await db
      .selectFrom('organization')
      .select('revision')
      .where('id', '=', organization)
      .executeTakeFirstOrThrow()
    const log = await db
      .selectFrom('changeLog')
      .select(['revision', 'factId'])
      .where('organizationId', '=', organization)
      .orderBy('revision')
      .execute()
    const tokens = await db
      .selectFrom('revokedToken')
      .select('id')
      .where('organizationId', '=', organization)
      .execute()
    return { head: revision, log, tokens: tokens.map(({ id }) => id) }
  })
}
