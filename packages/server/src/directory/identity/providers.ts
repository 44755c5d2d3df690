import { AppError, newId } from '@valetkey/sdk/core'
import type { Db, Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readOwnPage } from '../page.ts'
import { getOrganization, quote } from '../reference.ts'
import { type GroupRole, readGroupRoles, replaceGroupRoles } from './group-roles.ts'
import { getProvider, oidcSettings, type ProviderRow, samlSettings, secretPlace } from './provider-row.ts'
import { checkOidc, checkSaml } from './provider-settings.ts'
import { reconcileRoles } from './reconcile.ts'
import { makeRequestKey } from './request-key.ts'

type Provider = OutputOf<'identityProviders', 'get'>

/** Where a provider meets us, below the issuer. */
export function pathsOf({ id, kind }: Pick<ProviderRow, 'id' | 'kind'>): Record<string, string> {
  const at = `/federation/${id}`
  return kind === 'oidc'
    ? { callback: `${at}/callback`, backchannelLogout: `${at}/backchannel-logout`, afterLogout: '/sign-in' }
    : { metadata: `${at}/metadata`, assertionConsumer: `${at}/acs`, logout: `${at}/logout` }
}

function toProvider(row: ProviderRow, roles: GroupRole[]): Provider {
  const isOidc = row.kind === 'oidc'
  return {
    ...{ id: row.id, organization: row.organizationId, name: row.name, title: row.title },
    ...{ kind: row.kind, status: row.status },
    oidc: isOidc ? oidcSettings(row) : null,
    saml: isOidc ? null : samlSettings(row),
    hasSecret: isOidc && row.sealedSecret !== null,
    requestCertificate: row.certificate,
    provisions: row.provisions === 1,
    revokesOnLogout: row.revokesOnLogout === 1,
    ...{ roles, paths: pathsOf(row), createdAt: row.createdAt, createdBy: row.createdBy },
  }
}

async function read(db: Db, row: ProviderRow): Promise<Provider> {
  return toProvider(row, (await readGroupRoles(db, [row.id])).get(row.id) ?? [])
}

export async function listProviders(
  ctx: Context,
  input: InputOf<'identityProviders', 'list'>,
): Promise<OutputOf<'identityProviders', 'list'>> {
  const { db } = ctx.store
  const page = await readOwnPage(ctx, 'identityProvider', input)
  const roles = await readGroupRoles(
    db,
    page.items.map(({ id }) => id),
  )
  return { items: page.items.map(row => toProvider(row, roles.get(row.id) ?? [])), next: page.next }
}

export async function showProvider(
  ctx: Context,
  input: InputOf<'identityProviders', 'get'>,
): Promise<Provider> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return read(ctx.store.db, await getProvider(ctx.store.db, organization, input.provider))
}

/** Lets people of an organization sign in at an identity provider. It speaks for nobody before a domain leads to it. */
export async function createProvider(
  ctx: Context,
  input: InputOf<'identityProviders', 'create'>,
): Promise<Provider> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const id = newId('identityProvider', ctx.now())
  const { oidc, saml } = input
  const kind = oneKind(input)
  const settings = oidc ? checkOidc(oidc) : saml && checkSaml(saml, ctx.now())
  refuseSecret(kind, input.secret)
  const own = kind === 'saml' ? await makeRequestKey(`valetkey ${id}`, ctx.now()) : undefined
  const secret = own?.key ?? input.secret
  const row: ProviderRow = {
    ...{ id, organizationId: organization.id, name: input.name, title: input.title || input.name },
    ...{ kind, status: 'active', settings: JSON.stringify(settings) },
    sealedSecret: secret === undefined ? null : ctx.store.secrets.seal(secret, secretPlace({ id })),
    certificate: own?.certificate ?? null,
    provisions: input.provisions ? 1 : 0,
    revokesOnLogout: input.revokesOnLogout ? 1 : 0,
    ...{ createdAt: timeOf(ctx), createdBy: ctx.actor.id },
  }
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const sentence = `There is an identity provider ${quote(input.name)} in ${organization.slug} already.`
    await refuseDuplicate(tx.insertInto('identityProvider').values(row).execute(), sentence)
    await replaceGroupRoles(ctx, tx, organization, row, input.roles)
    const provider = await read(tx, row)
    await recordProvider(ctx, tx, 'identity_provider.created', row, summary(provider))
    return provider
  })
}

/** Changes a provider. What one that is disabled has let in ends for good; its roles are lost until it is back. */
export async function updateProvider(
  ctx: Context,
  input: InputOf<'identityProviders', 'update'>,
): Promise<Provider> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const before = await getProvider(tx, organization, input.provider)
    const shown = await read(tx, before)
    const after = changed(ctx, before, input)
    const { id: _, organizationId, createdAt, ...values } = after
    await tx.updateTable('identityProvider').set(values).where('id', '=', before.id).execute()
    if (input.roles) await replaceGroupRoles(ctx, tx, organization, before, input.roles)
    if (after.status === 'disabled') await endSessions(ctx, tx, after)
    const provider = await read(tx, after)
    const isNewSecret = after.sealedSecret !== before.sealedSecret
    const [was, is] = [summary(shown), summary(provider)]
    if (!isNewSecret && JSON.stringify(was) === JSON.stringify(is)) return provider
    await reconcileRoles(ctx, tx, after)
    await recordProvider(ctx, tx, 'identity_provider.updated', after, { before: was, after: is, isNewSecret })
    return provider
  })
}

async function endSessions(ctx: Context, tx: Tx, { id }: ProviderRow): Promise<void> {
  await tx
    .updateTable('federatedSession')
    .set({ endedAt: timeOf(ctx) })
    .where('providerId', '=', id)
    .where('endedAt', 'is', null)
    .execute()
}

function changed(
  ctx: Context,
  before: ProviderRow,
  input: InputOf<'identityProviders', 'update'>,
): ProviderRow {
  const { oidc, saml, secret } = input
  if ((before.kind === 'oidc' ? saml : oidc) !== undefined)
    throw new AppError('request.invalid', `${quote(before.name)} is one of ${before.kind}, for good.`, {
      path: before.kind === 'oidc' ? 'saml' : 'oidc',
    })
  refuseSecret(before.kind, secret ?? undefined)
  const settings = oidc ? checkOidc(oidc) : saml && checkSaml(saml, ctx.now())
  if (settings) refuseOtherAuthority(before, settings)
  const flag = (value: boolean | undefined, old: number) => (value === undefined ? old : value ? 1 : 0)
  const seal = (text: string) => ctx.store.secrets.seal(text, secretPlace(before))
  return {
    ...before,
    title: input.title ?? before.title,
    status: input.status ?? before.status,
    settings: settings ? JSON.stringify(settings) : before.settings,
    sealedSecret: secret === undefined ? before.sealedSecret : secret === null ? null : seal(secret),
    provisions: flag(input.provisions, before.provisions),
    revokesOnLogout: flag(input.revokesOnLogout, before.revokesOnLogout),
  }
}

/** Subjects mean something at one authority only: at another, the same one is somebody else. */
function refuseOtherAuthority(before: ProviderRow, settings: object): void {
  const key = before.kind === 'oidc' ? 'issuer' : 'entityId'
  const [was, is] = [JSON.parse(before.settings), settings].map(of => (of as Record<string, unknown>)[key])
  if (was === is) return
  throw new AppError(
    'conflict.state',
    `The ${key} of ${quote(before.name)} stays: whom it has linked would be others elsewhere. Add another provider.`,
    { path: `${before.kind}.${key}` },
  )
}

/** Removes a provider: whom it has linked stay people here, without what came from it. */
export async function removeProvider(
  ctx: Context,
  input: InputOf<'identityProviders', 'remove'>,
): Promise<Provider> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const row = await getProvider(tx, organization, input.provider)
    const provider = await read(tx, row)
    await reconcileRoles(ctx, tx, { ...row, status: 'disabled' })
    const none = { providerId: null }
    const { id } = row
    await tx.updateTable('identityDomain').set(none).where('providerId', '=', id).execute()
    await tx.updateTable('scimGroup').set(none).where('providerId', '=', id).execute()
    // What provisioned in its name does so no more.
    await tx
      .updateTable('scimToken')
      .set(eb => ({ ...none, revokedAt: eb.fn.coalesce('revokedAt', eb.val(timeOf(ctx))) }))
      .where('providerId', '=', id)
      .execute()
    await tx
      .updateTable('principal')
      .set({ managedBy: null })
      .where('organizationId', '=', organization.id)
      .where('managedBy', '=', id)
      .execute()
    for (const table of ['identityRole', 'identityLink', 'federatedSession'] as const)
      await tx.deleteFrom(table).where('providerId', '=', id).execute()
    await tx.deleteFrom('identityProvider').where('id', '=', id).execute()
    await recordProvider(ctx, tx, 'identity_provider.removed', row, summary(provider))
    return provider
  })
}

function oneKind({ oidc, saml }: InputOf<'identityProviders', 'create'>): ProviderRow['kind'] {
  if ((oidc === undefined) === (saml === undefined))
    throw new AppError('request.invalid', 'Describe an OpenID provider or a SAML one, one of the two.', {
      path: oidc ? 'saml' : 'oidc',
    })
  return oidc ? 'oidc' : 'saml'
}

function refuseSecret(kind: ProviderRow['kind'], secret: string | undefined): void {
  if (kind === 'oidc' || secret === undefined) return
  throw new AppError('request.invalid', 'A SAML provider knows no client secret.', { path: 'secret' })
}

/** What an event says of a provider. */
function summary({ name, title, kind, status, oidc, saml, provisions, revokesOnLogout, roles }: Provider) {
  return { name, title, kind, status, settings: oidc ?? saml, provisions, revokesOnLogout, roles }
}

function recordProvider(
  ctx: Context,
  tx: Tx,
  type: string,
  { id, organizationId }: ProviderRow,
  detail: object,
): Promise<void> {
  return recordBy(ctx, tx, {
    organization: organizationId,
    type,
    target: id,
    detail: JSON.parse(JSON.stringify(detail)),
  })
}
