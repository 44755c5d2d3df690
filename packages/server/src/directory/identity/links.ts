import { AppError, isId } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, getPrincipal, quote } from '../reference.ts'
import { getProvider } from './provider-row.ts'
import { reconcileRoles } from './reconcile.ts'

type Link = OutputOf<'identityLinks', 'remove'>

function links(db: Db) {
  return db
    .selectFrom('identityLink')
    .innerJoin('principal', 'principal.id', 'identityLink.personId')
    .selectAll('identityLink')
    .select(['principal.name as personName', 'principal.seq as personSeq'])
}

type LinkRow = Row<'identityLink'> & { personName: string }

function toLink(row: LinkRow): Link {
  const { id, organizationId, providerId, subject, personId, personName, createdAt, lastUsedAt } = row
  return {
    ...{ id, organization: organizationId, provider: providerId, subject, person: personId, personName },
    groups: JSON.parse(row.groupNames) as string[],
    ...{ createdAt, lastUsedAt },
  }
}

export async function listLinks(
  ctx: Context,
  input: InputOf<'identityLinks', 'list'>,
): Promise<OutputOf<'identityLinks', 'list'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const provider = input.provider && (await getProvider(db, organization, input.provider))
  const person = input.person && (await getPrincipal(db, organization, 'user', input.person))
  const read = (after: string, limit: number) => {
    let query = links(db)
      .where('identityLink.organizationId', '=', organization.id)
      .where('identityLink.id', '>', after)
    if (provider) query = query.where('providerId', '=', provider.id)
    if (person) query = query.where('personId', '=', person.id)
    return query.orderBy('identityLink.id').limit(limit).execute()
  }
  const list = `identity-links:${organization.id}:${input.provider}:${person ? person.id : ''}`
  return readPage(ctx, list, input, read, toLink)
}

/** Takes a subject away from a person: who comes with it next is linked anew, by the address, if at all. */
export async function removeLink(ctx: Context, input: InputOf<'identityLinks', 'remove'>): Promise<Link> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const row = isId(input.link, 'identityLink')
      ? await links(tx)
          .where('identityLink.id', '=', input.link)
          .where('identityLink.organizationId', '=', organization.id)
          .executeTakeFirst()
      : undefined
    if (!row) throw new AppError('not_found', `No link ${quote(input.link)} in ${organization.slug}.`)
    await tx.deleteFrom('identityLink').where('id', '=', row.id).execute()
    await tx
      .deleteFrom('federatedSession')
      .where('providerId', '=', row.providerId)
      .where('personId', '=', row.personId)
      .execute()
    const provider = await getProvider(tx, organization, row.providerId)
    await reconcileRoles(ctx, tx, provider, row.personSeq)
    await recordBy(ctx, tx, {
      ...{ organization: organization.id, type: 'identity_link.removed', target: row.personId },
      detail: { provider: row.providerId, subject: row.subject },
    })
    return toLink(row)
  })
}
