import { AppError, isId, newId } from '@valetkey/sdk/core'
import * as z from 'zod'
import {
  type Context,
  checkAddress,
  getOrganization,
  getProvider,
  type InputOf,
  lock,
  type OutputOf,
  type ProviderRow,
  quote,
  type Row,
  readOwnPage,
  recordBy,
  refuseDuplicate,
  timeOf,
} from '../directory/index.ts'
import { cappedFetch } from '../people/index.ts'
import type { Db } from '../store/index.ts'

export type SourceRow = Row<'signalSource'>
type Source = OutputOf<'signalSources', 'remove'>

/** Where a source pushes to, below the issuer. */
function sourcePath(id: string): string {
  return `/signals/sources/${id}/events`
}

function toSource(row: SourceRow): Source {
  const { id, organizationId, providerId, sealedAuthorization: _, nextPollAt: __, ...shown } = row
  return { ...shown, id, organization: organizationId, provider: providerId, path: sourcePath(id) }
}

export async function listSources(
  ctx: Context,
  input: InputOf<'signalSources', 'list'>,
): Promise<OutputOf<'signalSources', 'list'>> {
  const page = await readOwnPage(ctx, 'signalSource', input)
  return { items: page.items.map(toSource), next: page.next }
}

/** Lets the events of an identity provider count: for those whom it has let in here, and nobody else. */
export async function createSource(
  ctx: Context,
  input: InputOf<'signalSources', 'create'>,
  issuer: string,
): Promise<Source> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const provider = await getProvider(ctx.store.db, organization, input.provider)
  const { pollUrl, authorization } = input
  checkAddress(input.issuer, 'issuer')
  if (pollUrl !== undefined) checkAddress(pollUrl, 'pollUrl')
  if (authorization !== undefined && pollUrl === undefined)
    throw new AppError('request.invalid', 'Nothing is polled that could want an authorization.', {
      path: 'authorization',
    })
  const jwksUri = input.jwksUri ?? (await findKeys(input.issuer))
  checkAddress(jwksUri, 'jwksUri')
  const id = newId('signalSource', ctx.now())
  const row: SourceRow = {
    ...{ id, organizationId: organization.id, name: input.name, providerId: provider.id },
    ...{ issuer: input.issuer, jwksUri, audience: input.audience ?? issuer + sourcePath(id) },
    pollUrl: pollUrl ?? null,
    sealedAuthorization:
      authorization === undefined ? null : ctx.store.secrets.seal(authorization, pollPlace(id)),
    ...{ createdAt: timeOf(ctx), createdBy: ctx.actor.id, lastHeardAt: null, lastFault: null, nextPollAt: 0 },
  }
  const sentence = `There is a source ${quote(input.name)} in ${organization.slug} already.`
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    await refuseDuplicate(tx.insertInto('signalSource').values(row).execute(), sentence)
    const { name, audience } = row
    await recordBy(ctx, tx, {
      ...{ organization: organization.id, type: 'signal_source.created', target: id },
      detail: { name, provider: provider.id, issuer: row.issuer, jwksUri, audience, pollUrl: row.pollUrl },
    })
    return toSource(row)
  })
}

export async function removeSource(ctx: Context, input: InputOf<'signalSources', 'remove'>): Promise<Source> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const row = await tx
      .deleteFrom('signalSource')
      .where('organizationId', '=', organization.id)
      .where(isId(input.signalSource, 'signalSource') ? 'id' : 'name', '=', input.signalSource)
      .returningAll()
      .executeTakeFirst()
    if (!row)
      throw new AppError('not_found', `No source ${quote(input.signalSource)} in ${organization.slug}.`)
    const event = { organization: organization.id, type: 'signal_source.removed', target: row.id }
    await recordBy(ctx, tx, { ...event, detail: { name: row.name } })
    return toSource(row)
  })
}

/** Where the header of what is polled is sealed. */
export function pollPlace(source: string): string {
  return `signal-source:${source}`
}

/** A source whose provider and organization are active, and that provider. */
export async function findSource(
  db: Db,
  id: string,
): Promise<{ source: SourceRow; provider: ProviderRow } | undefined> {
  if (!isId(id, 'signalSource')) return undefined
  const source = await db.selectFrom('signalSource').selectAll().where('id', '=', id).executeTakeFirst()
  const provider =
    source &&
    (await db
      .selectFrom('identityProvider')
      .innerJoin('organization', 'organization.id', 'identityProvider.organizationId')
      .selectAll('identityProvider')
      .where('identityProvider.id', '=', source.providerId)
      .where('identityProvider.status', '=', 'active')
      .where('organization.status', '!=', 'retired')
      .executeTakeFirst())
  return source && provider && { source, provider }
}

const Metadata = z.object({ issuer: z.string(), jwks_uri: z.string() })

/** Asks a transmitter where its keys are (SSF 1.0 section 7.2); it must call itself what we call it. */
async function findKeys(issuer: string): Promise<string> {
  const { origin, pathname } = new URL(issuer)
  const url = `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, '')}`
  try {
    const response = await cappedFetch(url, { headers: { accept: 'application/json' } })
    const { issuer: named, jwks_uri } = Metadata.parse(await response.json())
    if (named === issuer) return jwks_uri
  } catch (cause) {
    throw new AppError('request.invalid', `${url} does not say where its keys are. Name them: jwksUri.`, {
      cause,
      path: 'issuer',
    })
  }
  throw new AppError('request.invalid', `${url} calls itself otherwise.`, { path: 'issuer' })
}
