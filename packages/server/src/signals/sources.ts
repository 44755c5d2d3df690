import { AppError, isId, newId } from '@valetkey/sdk/core'
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
import type { LimitedFetch } from '../outbound/index.ts'
import type { Db } from '../store/index.ts'
import {
  askToken,
  findClient,
  invalid,
  readPrivateKey,
  readTransmitter,
  SourceClient,
  tokenFault,
} from './source-client.ts'
import { findOrOpenStream } from './source-stream.ts'

export type SourceRow = Row<'signalSource'>
type Source = OutputOf<'signalSources', 'remove'>

/** Where a source pushes to, below the issuer. */
function sourcePath(id: string): string {
  return `/signals/sources/${id}/events`
}

function toSource(row: SourceRow): Source {
  const { id, organizationId, providerId, client, sealedCredential: _, nextPollAt: __, ...shown } = row
  return {
    ...{ ...shown, id, organization: organizationId, provider: providerId, path: sourcePath(id) },
    client: client === null ? null : SourceClient.parse(JSON.parse(client)),
  }
}

export async function listSources(
  ctx: Context,
  input: InputOf<'signalSources', 'list'>,
): Promise<OutputOf<'signalSources', 'list'>> {
  const page = await readOwnPage(ctx, 'signalSource', input)
  return { items: page.items.map(toSource), next: page.next }
}

type Wish = InputOf<'signalSources', 'create'>

/** Lets the events of an identity provider count: for those whom it has let in here, and nobody else. */
export async function createSource(
  ctx: Context,
  input: Wish,
  { issuer, fetch }: { issuer: string; fetch: LimitedFetch },
): Promise<Source> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const provider = await getProvider(ctx.store.db, organization, input.provider)
  checkWish(input)
  const id = newId('signalSource', ctx.now())
  const { client, ...found } = await findOut(fetch, input, issuer + sourcePath(id))
  const credential = credentialOf(input)
  const row: SourceRow = {
    ...{ id, organizationId: organization.id, name: input.name, providerId: provider.id },
    ...{ issuer: input.issuer, ...found },
    client: client === null ? null : JSON.stringify(client),
    sealedCredential:
      credential === undefined ? null : ctx.store.secrets.seal(credential, credentialPlace(id)),
    ...{ createdAt: timeOf(ctx), createdBy: ctx.actor.id, lastHeardAt: null, lastFault: null, nextPollAt: 0 },
  }
  const sentence = `There is a source ${quote(input.name)} in ${organization.slug} already.`
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    await refuseDuplicate(tx.insertInto('signalSource').values(row).execute(), sentence)
    const { name, jwksUri, audience, pollUrl } = row
    await recordBy(ctx, tx, {
      ...{ organization: organization.id, type: 'signal_source.created', target: id },
      detail: { name, provider: provider.id, issuer: row.issuer, jwksUri, audience, pollUrl, client },
    })
    return toSource(row)
  })
}

function checkWish({ issuer, pollUrl, authorization, client }: Wish): void {
  checkAddress(issuer, 'issuer')
  if (pollUrl !== undefined) checkAddress(pollUrl, 'pollUrl')
  const refuse = (sentence: string, path: string) => new AppError('request.invalid', sentence, { path })
  if (authorization !== undefined && client)
    throw refuse('It is asked as a client, or with a header that does not change, not with both.', 'client')
  if (authorization !== undefined && pollUrl === undefined)
    throw refuse('Nothing is polled that could want an authorization.', 'authorization')
}

function credentialOf({ authorization, client }: Wish): string | undefined {
  if (!client) return authorization
  return client.privateJwk ? JSON.stringify(client.privateJwk) : client.secret
}

/** What the transmitter says where the administrator does not: its keys; for a client where its tokens come from, and its stream. */
async function findOut(
  fetch: LimitedFetch,
  input: Wish,
  ownAddress: string,
): Promise<Pick<SourceRow, 'jwksUri' | 'audience' | 'pollUrl'> & { client: SourceClient | null }> {
  const wish = input.client
  if (wish?.privateJwk) await readPrivateKey(wish.privateJwk)
  const metadata =
    wish || input.jwksUri === undefined ? await readTransmitter(fetch, input.issuer) : undefined
  const jwksUri = input.jwksUri ?? metadata?.jwks_uri
  if (jwksUri === undefined)
    throw new AppError('request.invalid', `${input.issuer} does not say where its keys are: jwksUri.`, {
      path: 'jwksUri',
    })
  checkAddress(jwksUri, 'jwksUri')
  const { audience = ownAddress, pollUrl = null } = input
  if (!wish || !metadata) return { ...{ jwksUri, audience, pollUrl }, client: null }
  const client = await findClient(fetch, metadata, wish)
  const scope = pollUrl === null ? 'ssf.manage ssf.read' : 'ssf.read'
  const { token } = await askToken(fetch, client, { credential: credentialOf(input) ?? '', scope }).catch(
    cause => {
      throw invalid(`${client.authorizationServer} gives this client no token: ${tokenFault(cause)}.`, cause)
    },
  )
  if (pollUrl !== null) return { jwksUri, audience, pollUrl, client }
  const stream = await findOrOpenStream(fetch, metadata, { token, description: input.name }).catch(cause => {
    throw cause instanceof AppError ? cause : invalid(`${input.issuer} shows no stream.`, cause)
  })
  return { jwksUri, pollUrl: stream.pollUrl, audience: input.audience ?? stream.audience, client }
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

/** Where is sealed what a source is polled by. */
export function credentialPlace(source: string): string {
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
