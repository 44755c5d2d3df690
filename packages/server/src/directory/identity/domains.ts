import { AppError, newSecret } from '@valetkey/sdk/core'
import { type Db, type Tx, violation } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import type { Row } from '../fact-of.ts'
import { type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, quote } from '../reference.ts'
import { domainOf, readDomain } from './domain-name.ts'
import { getProvider } from './provider-row.ts'

type Domain = OutputOf<'domains', 'claim'>
type DomainRow = Row<'identityDomain'>

/** Asks DNS for the TXT records of a name; gives none where there is no such name, and fails where nobody answers. */
export type ResolveTxt = (name: string) => Promise<string[]>

function toDomain(row: DomainRow): Domain {
  const { domain, organizationId, providerId, verifiedBy, verifiedAt, createdAt, createdBy } = row
  return {
    ...{ domain, organization: organizationId, provider: providerId },
    status: verifiedAt === null ? 'claimed' : 'verified',
    ...{ verifiedBy, verifiedAt },
    record: { name: `_valetkey.${domain}`, value: `valetkey-domain=${row.token}` },
    ...{ createdAt, createdBy },
  }
}

export async function listDomains(
  ctx: Context,
  input: InputOf<'domains', 'list'>,
): Promise<OutputOf<'domains', 'list'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const read = async (after: string, limit: number) => {
    const rows = await db
      .selectFrom('identityDomain')
      .selectAll()
      .where('organizationId', '=', organization.id)
      .where('domain', '>', after)
      .orderBy('domain')
      .limit(limit)
      .execute()
    return rows.map(row => ({ ...row, id: row.domain }))
  }
  return readPage(ctx, `domains:${organization.id}`, input, read, toDomain)
}

/** Says that a domain is the organization's. Any number of organizations may; it counts for the one that proves it. */
export async function claimDomain(ctx: Context, input: InputOf<'domains', 'claim'>): Promise<Domain> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const domain = readDomain(input.domain)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const provider = input.provider && (await getProvider(tx, organization, input.provider))
    const row: DomainRow = {
      ...{ organizationId: organization.id, domain, providerId: provider ? provider.id : null },
      token: newSecret('vk_dom'),
      ...{ verifiedAt: null, verifiedBy: null, createdAt: timeOf(ctx), createdBy: ctx.actor.id },
    }
    const insert = tx.insertInto('identityDomain').values(row).execute()
    await refuseDuplicate(insert, `${quote(domain)} is claimed in ${organization.slug} already.`)
    await recordDomain(ctx, tx, 'domain.claimed', row, { provider: row.providerId })
    return toDomain(row)
  })
}

/** Looks for the record that only the owner of a domain can have made. DNS is asked before anything is locked. */
export async function verifyDomain(
  ctx: Context,
  input: InputOf<'domains', 'verify'>,
  resolveTxt: ResolveTxt,
): Promise<Domain> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const claimed = await getDomain(ctx.store.db, organization, input.domain)
  const { name, value } = toDomain(claimed).record
  const records = await resolveTxt(name)
  if (!records.some(text => text.trim() === value))
    throw new AppError(
      'domain.unproved',
      `There is no TXT record ${name} that says ${quote(value)}. Add it; DNS may take some minutes to show it.`,
    )
  return settle(ctx, organization, claimed, 'dns')
}

/** Takes a domain for proved without asking DNS. */
export async function trustDomain(ctx: Context, input: InputOf<'domains', 'trust'>): Promise<Domain> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return settle(ctx, organization, await getDomain(ctx.store.db, organization, input.domain), 'trust')
}

async function settle(
  ctx: Context,
  organization: Row<'organization'>,
  { domain, token }: DomainRow,
  verifiedBy: 'dns' | 'trust',
): Promise<Domain> {
  try {
    return await ctx.store.write(async tx => {
      await lock(tx, organization.id)
      const before = await getDomain(tx, organization, domain)
      // Given up and claimed again meanwhile: what was proved is another claim.
      if (before.token !== token)
        throw new AppError('conflict.state', `The claim of ${quote(domain)} has changed. Verify it again.`)
      if (before.verifiedAt !== null) return toDomain(before)
      const proof = { verifiedAt: timeOf(ctx), verifiedBy }
      await setDomain(tx, before, proof)
      await recordDomain(ctx, tx, 'domain.verified', before, { by: verifiedBy })
      return toDomain({ ...before, ...proof })
    })
  } catch (cause) {
    if (violation(cause) !== 'unique') throw cause
    throw new AppError('conflict.exists', `Another organization has proved ${quote(domain)} already.`, {
      cause,
    })
  }
}

/** Says which provider speaks for a domain; null: none, and nobody is led anywhere. */
export async function updateDomain(ctx: Context, input: InputOf<'domains', 'update'>): Promise<Domain> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const before = await getDomain(tx, organization, input.domain)
    const provider = input.provider === null ? null : await getProvider(tx, organization, input.provider)
    const after = { ...before, providerId: provider?.id ?? null }
    if (after.providerId === before.providerId) return toDomain(before)
    const { providerId } = after
    await setDomain(tx, before, { providerId })
    await recordDomain(ctx, tx, 'domain.updated', before, { before: before.providerId, after: providerId })
    return toDomain(after)
  })
}

export async function removeDomain(ctx: Context, input: InputOf<'domains', 'remove'>): Promise<Domain> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const before = await getDomain(tx, organization, input.domain)
    await tx
      .deleteFrom('identityDomain')
      .where('organizationId', '=', organization.id)
      .where('domain', '=', before.domain)
      .execute()
    await recordDomain(ctx, tx, 'domain.removed', before, { verifiedBy: before.verifiedBy })
    return toDomain(before)
  })
}

/** The provider that an address leads to: one that is active, of the one organization that has proved the domain. */
export async function findHomeProvider(
  db: Db,
  email: string,
  organizationId?: string,
): Promise<Row<'identityProvider'> | undefined> {
  const domain = domainOf(email)
  if (domain === undefined) return undefined
  let query = db
    .selectFrom('identityDomain')
    .innerJoin('identityProvider', 'identityProvider.id', 'identityDomain.providerId')
    .innerJoin('organization', 'organization.id', 'identityProvider.organizationId')
    .selectAll('identityProvider')
    .where('identityDomain.domain', '=', domain)
    .where('identityDomain.verifiedAt', 'is not', null)
    .where('identityProvider.status', '=', 'active')
    .where('organization.status', '=', 'active')
  if (organizationId !== undefined) query = query.where('organization.id', '=', organizationId)
  return query.executeTakeFirst()
}

/** Whether any address leads to a provider, of an organization or at all. */
export async function hasProviders(db: Db, organizationId?: string): Promise<boolean> {
  let query = db
    .selectFrom('identityDomain')
    .innerJoin('identityProvider', 'identityProvider.id', 'identityDomain.providerId')
    .select('identityProvider.id')
    .where('identityDomain.verifiedAt', 'is not', null)
    .where('identityProvider.status', '=', 'active')
  if (organizationId !== undefined)
    query = query.where('identityProvider.organizationId', '=', organizationId)
  return (await query.limit(1).executeTakeFirst()) !== undefined
}

/** Whether a provider may speak for an address: its domain is proved, and leads to this provider. */
export async function maySpeakFor(
  db: Db,
  provider: Pick<Row<'identityProvider'>, 'id' | 'organizationId'>,
  email: string,
): Promise<boolean> {
  const found = await findHomeProvider(db, email, provider.organizationId)
  return found?.id === provider.id
}

async function getDomain(db: Db, organization: Row<'organization'>, text: string): Promise<DomainRow> {
  const domain = readDomain(text)
  const found = await db
    .selectFrom('identityDomain')
    .selectAll()
    .where('organizationId', '=', organization.id)
    .where('domain', '=', domain)
    .executeTakeFirst()
  if (found) return found
  throw new AppError('not_found', `${quote(domain)} is not claimed in ${organization.slug}.`)
}

async function setDomain(
  tx: Tx,
  { organizationId, domain }: DomainRow,
  values: Partial<Pick<DomainRow, 'providerId' | 'verifiedAt' | 'verifiedBy'>>,
): Promise<void> {
  await tx
    .updateTable('identityDomain')
    .set(values)
    .where('organizationId', '=', organizationId)
    .where('domain', '=', domain)
    .execute()
}

function recordDomain(
  ctx: Context,
  tx: Tx,
  type: string,
  { organizationId, domain }: DomainRow,
  detail: Record<string, string | null>,
): Promise<void> {
  return recordBy(ctx, tx, { organization: organizationId, type, target: domain, detail })
}
