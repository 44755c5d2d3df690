import { AppError, newId } from '@valetkey/sdk/core'
import { beginChange } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { principalFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, getPrincipal, locatePrincipal, quote } from '../reference.ts'
import { insertPrincipal, pagesOf } from './principals.ts'

type Service = OutputOf<'services', 'create'>

function toService({ id, organizationId, externalId, name, status, createdAt }: Row<'principal'>): Service {
  if (status === 'pending') throw new Error(`service ${id} is pending`)
  return { id, organization: organizationId, name: externalId, title: name, status, createdAt }
}

export async function listServices(
  ctx: Context,
  input: InputOf<'services', 'list'>,
): Promise<OutputOf<'services', 'list'>> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const read = pagesOf(ctx.store.db, organization.id, 'service')
  return readPage(ctx, `services:${organization.id}`, input, read, toService)
}

/** Adds a program that is no agent: it holds roles, and others ask about it. */
export async function createService(ctx: Context, input: InputOf<'services', 'create'>): Promise<Service> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const id = newId('service', ctx.now())
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row = await insertPrincipal(
      tx,
      ctx,
      {
        ...{ id, organizationId: organization.id, kind: 'service' },
        ...{ externalId: input.name, name: input.title || input.name },
      },
      `There is a service ${quote(input.name)} in ${organization.slug} already.`,
    )
    await change.log({ fact: 'principal', id, value: principalFact(row) })
    const detail = { name: row.externalId, title: row.name }
    await recordBy(ctx, tx, { organization: organization.id, type: 'service.created', target: id, detail })
    return toService(row)
  })
}

/** Suspends, reinstates or retires a service; what it may do ends and comes back with it. */
export async function updateService(ctx: Context, input: InputOf<'services', 'update'>): Promise<Service> {
  const ref = input.service.replace(/^service:/, '')
  const found = await locatePrincipal(ctx.store.db, 'service', ref, input.organization)
  const organization = await getOrganization(ctx.store.db, found.organizationId)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const before = await getPrincipal(tx, organization, 'service', found.id)
    if (input.status === before.status) return toService(before)
    if (before.status === 'retired')
      throw new AppError('conflict.state', `${quote(before.externalId)} is retired, which is final.`)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const after = { ...before, status: input.status }
    await tx.updateTable('principal').set({ status: after.status }).where('id', '=', after.id).execute()
    await change.log({ fact: 'principal', id: after.id, value: principalFact(after) })
    await recordBy(ctx, tx, {
      organization: organization.id,
      type: 'service.updated',
      target: after.id,
      detail: { before: { status: before.status }, after: { status: after.status } },
    })
    return toService(after)
  })
}
