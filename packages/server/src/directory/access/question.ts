import { AppError, didYouMean, type PrincipalFact, ROOT_RESOURCE } from '@valetkey/sdk/core'
import {
  type Matter,
  type OrganizationView,
  type PermissionView,
  parseRef,
  refOf,
} from '@valetkey/sdk/engine'
import type { Context } from '../context.ts'
import { quote } from '../reference.ts'
import { type Standing, type Wanted, withIndex } from './live-index.ts'
import { findPrincipals, readPrincipalRef } from './principal-ref.ts'
import { unknownRevision } from './revision-token.ts'

type Type = NonNullable<ReturnType<OrganizationView['catalogue']['resourceTypes']['get']>>

/**
 * The resource that a question is about. Of an open type nothing is registered: what counts is the resource that it is
 * named below, or else the organization.
 */
export type Target = Matter['target']

/** A question with everything that it needs at hand, to be answered before the next `await`. */
export interface Asking extends Standing {
  /** The moment that the question is about. */
  now: number
  /** One of the principals that were named with the question. */
  principal(ref: string): PrincipalFact | undefined
}

/** Answers a question on the facts of one moment, after finding the principals that it names. */
export async function ask<T>(
  ctx: Context,
  wanted: Wanted & { at?: string | undefined },
  principals: readonly string[],
  answer: (asking: Asking) => T,
): Promise<T> {
  return withIndex(ctx, wanted, async standing => {
    const { id } = standing.organization
    const names = new Map(principals.map(ref => [ref, readPrincipalRef(ref)]))
    const find = await findPrincipals(ctx.store.db, id, () => standing.view, [...names.values()])
    const now = wanted.at === undefined ? ctx.now() : Date.parse(wanted.at)
    return answer({
      organization: standing.organization,
      snapshot: standing.snapshot,
      view: standing.view,
      revision: standing.revision,
      isStale: standing.isStale,
      now,
      principal(ref) {
        const name = names.get(ref)
        return name && find(name)
      },
    })
  })
}

/** For answers that have no room for "I do not know": there, a revision that does not exist is an error. */
export function refuseStale({ isStale }: Pick<Standing, 'isStale'>): void {
  if (isStale) throw unknownRevision('This revision token asks for a revision that there is not, or not yet.')
}

export function getPermission(
  { catalogue }: OrganizationView,
  slug: string,
  path = 'permission',
): PermissionView {
  const found = catalogue.permissions.get(slug)
  if (found) return found
  const meant = didYouMean(slug, catalogue.permissions.keys())
  throw new AppError('not_found', `No permission ${quote(slug)}.${meant}`, { path })
}

/** The permissions of a resource type, in the order of the alphabet. */
export function permissionsOf({ catalogue }: OrganizationView, typeId: string): PermissionView[] {
  const own = [...catalogue.permissions.values()].filter(({ fact }) => fact.type === typeId)
  return own.sort((a, b) => (a.fact.slug < b.fact.slug ? -1 : 1))
}

/** A resource type by id or slug. */
export function getType({ catalogue }: OrganizationView, ref: string, path = 'type'): Type {
  const found = catalogue.typesBySlug.get(ref) ?? catalogue.resourceTypes.get(ref)
  if (found) return found
  const meant = didYouMean(ref, catalogue.typesBySlug.keys())
  throw new AppError('not_found', `No resource type ${quote(ref)}.${meant}`, { path })
}

/** What a reference names. That there is no such resource is an answer, not an error. */
export function getTarget(view: OrganizationView, ref: string, path = 'resource'): Target {
  const [, above, own = ref] = /^([^/]+\/[^/]+)\/([^/]+\/[^/]+)$/.exec(ref) ?? []
  const parsed = parseRef(own)
  if (!parsed)
    throw new AppError('request.invalid', 'Write a resource as type and id, as "invoice/INV-1".', { path })
  const target = targetOf(view, getType(view, parsed.type, path), parsed.id)
  if (above === undefined) return target
  if (target.type.fact.instances !== 'open')
    throw new AppError('request.invalid', `There is one ${quote(own)} at most. Name it by that alone.`, {
      path,
    })
  const under = getTarget(view, above, path)
  if (under.type.fact.instances === 'open')
    throw new AppError('request.invalid', `Nothing lies below ${quote(above)}, which is not registered.`, {
      path,
    })
  return { ...target, seq: under.seq }
}

export function targetOf(view: OrganizationView, type: Type, id: string): Target {
  const seq = type.fact.instances === 'open' ? ROOT_RESOURCE : view.tree.find(type.number, id)
  return { type, id, seq }
}

/** A question about a permission of one type and a resource of another is a mistake of whoever asks. */
export function refuseMismatch(permission: PermissionView, target: Target, view: OrganizationView): void {
  const { slug, type } = permission.fact
  if (type === target.type.fact.id) return
  const own = view.catalogue.resourceTypes.get(type)?.fact.slug ?? type
  throw new AppError(
    'permission.mismatch',
    `${slug} is about resources of type ${own}, not of type ${target.type.fact.slug}.`,
    { path: 'permission' },
  )
}

/** From the resource up to the organization, each as type and id. */
export function wayUp(view: OrganizationView, { type, id, seq }: Target): string[] {
  const path = type.fact.instances === 'open' ? [`${type.fact.slug}/${id}`] : []
  for (let at = seq; at !== 0; at = view.tree.parentOf(at)) path.push(refOf(view, at))
  return path
}
