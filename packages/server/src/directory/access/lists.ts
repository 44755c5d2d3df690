import { AppError, ROOT_RESOURCE } from '@valetkey/sdk/core'
import { holds, isHeard, listPrincipals, listResources, pathOf, refOf, rootsOf } from '@valetkey/sdk/engine'
import type { Context } from '../context.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { fillPage, openPlace, sealPlace } from './place.ts'
import { ask, getPermission, getTarget, getType, refuseMismatch, refuseStale, targetOf } from './question.ts'
import { toVia } from './via.ts'

/** The resources of a type on which a principal holds a permission, each with the role that it comes from. */
export function listReachable(
  ctx: Context,
  input: InputOf<'access', 'resources'>,
): Promise<OutputOf<'access', 'resources'>> {
  return ask(ctx, input, [input.principal], asking => {
    refuseStale(asking)
    const { view, revision, now, organization } = asking
    const principal = asking.principal(input.principal)
    const permission = getPermission(view, input.permission)
    const type = getType(view, input.type)
    refuseMismatch(permission, { type, id: '', seq: 0 }, view)
    const { slug } = permission.fact
    const list = ['access.resources', organization.id, principal?.id ?? input.principal, slug]
    const after = openPlace(ctx, list, input.cursor)
    if (!principal || !isHeard(view, principal)) return { items: [], next: null, revision }
    const question = { principal: principal.seq, permission: slug, now, type: type.fact.id }
    const page = fillPage(
      after,
      input.limit,
      (after, limit) => listResources(view, { ...question, after, limit }),
      item => item.resource,
      ({ resource }) => {
        const target = targetOf(view, type, view.tree.externalIdOf(resource))
        return holds({ permission, target }, principal)
      },
    )
    const items = page.items.map(({ resource, held, direct }) => ({
      resource: refOf(view, resource),
      path: pathOf(view, resource),
      via: toVia(view, held),
      direct,
    }))
    return { items, next: sealPlace(ctx, list, page.next), revision }
  })
}

/** Everyone who holds a permission on a resource, each once, with the role that it comes from. */
export function listHolders(
  ctx: Context,
  input: InputOf<'access', 'principals'>,
): Promise<OutputOf<'access', 'principals'>> {
  return ask(ctx, input, [], asking => {
    refuseStale(asking)
    const { view, revision, now, organization } = asking
    const permission = getPermission(view, input.permission)
    const target = getTarget(view, input.resource)
    refuseMismatch(permission, target, view)
    const { slug } = permission.fact
    const named = [target.type.fact.id, target.id, input.kind ?? '', input.how]
    const list = ['access.principals', organization.id, slug, ...named]
    const after = openPlace(ctx, list, input.cursor)
    const items = listPrincipals(view, { permission: slug, resource: target.seq, now }).flatMap(item => {
      const principal = view.principalAt[item.principal]
      if (!principal || item.principal <= after || !isHeard(view, principal)) return []
      if (input.kind !== undefined && principal.kind !== input.kind) return []
      if (input.how === 'direct' && !item.direct) return []
      if (!holds({ permission, target }, principal)) return []
      return [{ ...item, fact: principal }]
    })
    const shown = items.slice(0, input.limit)
    const next = items.length > input.limit ? (shown.at(-1)?.principal ?? null) : null
    return {
      items: shown.map(({ fact, held, direct }) => ({
        principal: fact.id,
        kind: fact.kind,
        name: fact.name,
        via: toVia(view, held),
        direct,
      })),
      next: sealPlace(ctx, list, next),
      revision,
    }
  })
}

/**
 * The fewest resources under which a principal holds a permission, for an app to put into a query of its own. Nothing
 * where it holds none; an error where a condition decides each resource by itself, which no query of ours can say.
 */
export function filterResources(
  ctx: Context,
  input: InputOf<'access', 'filter'>,
): Promise<OutputOf<'access', 'filter'>> {
  return ask(ctx, input, [input.principal], asking => {
    refuseStale(asking)
    const { view, revision, now } = asking
    const principal = asking.principal(input.principal)
    const permission = getPermission(view, input.permission)
    if (permission.fact.condition !== null)
      throw new AppError(
        'request.invalid',
        `${permission.fact.slug} has a condition, which no filter can stand for. Ask about single resources.`,
        { path: 'permission' },
      )
    if (!principal || !isHeard(view, principal)) return { all: false, roots: [], revision }
    const roots = rootsOf(view, { principal: principal.seq, permission: permission.fact.slug, now })
    if (roots.some(({ resource }) => resource === ROOT_RESOURCE)) return { all: true, roots: [], revision }
    return {
      all: false,
      roots: roots.map(({ resource }) => ({
        type: view.catalogue.typeAt[view.tree.typeOf(resource)]?.fact.slug ?? '',
        id: view.tree.externalIdOf(resource),
      })),
      revision,
    }
  })
}
