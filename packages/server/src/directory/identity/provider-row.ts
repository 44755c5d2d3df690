import { shapes } from '@valetkey/sdk/contract'
import { AppError, isId } from '@valetkey/sdk/core'
import type * as z from 'zod'
import type { Db } from '../../store/index.ts'
import type { Row } from '../fact-of.ts'
import { quote } from '../reference.ts'

export type ProviderRow = Row<'identityProvider'>
export type OidcSettings = z.output<typeof shapes.OidcSettings>
export type SamlSettings = z.output<typeof shapes.SamlSettings>

/** Finds an identity provider of an organization by id or name. */
export async function getProvider(
  db: Db,
  organization: Pick<Row<'organization'>, 'id' | 'slug'>,
  ref: string,
): Promise<ProviderRow> {
  const found = await db
    .selectFrom('identityProvider')
    .selectAll()
    .where('organizationId', '=', organization.id)
    .where(isId(ref, 'identityProvider') ? 'id' : 'name', '=', ref)
    .executeTakeFirst()
  if (found) return found
  throw new AppError('not_found', `No identity provider ${quote(ref)} in ${organization.slug}.`)
}

/** An active identity provider of an active organization, by id. */
export async function findProvider(db: Db, id: string): Promise<ProviderRow | undefined> {
  if (!isId(id, 'identityProvider')) return undefined
  return db
    .selectFrom('identityProvider')
    .innerJoin('organization', 'organization.id', 'identityProvider.organizationId')
    .selectAll('identityProvider')
    .where('identityProvider.id', '=', id)
    .where('identityProvider.status', '=', 'active')
    .where('organization.status', '=', 'active')
    .executeTakeFirst()
}

export function oidcSettings({ settings }: Pick<ProviderRow, 'settings'>): OidcSettings {
  return shapes.OidcSettings.parse(JSON.parse(settings))
}

export function samlSettings({ settings }: Pick<ProviderRow, 'settings'>): SamlSettings {
  return shapes.SamlSettings.parse(JSON.parse(settings))
}

/** Where a provider's secret is sealed. */
export function secretPlace({ id }: Pick<ProviderRow, 'id'>): string {
  return `identity-provider:${id}`
}
