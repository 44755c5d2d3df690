import { canonicalJson, type Json, type PrincipalFact } from '@valetkey/sdk/core'
import { listPrincipals, listResources, type PermissionView } from '@valetkey/sdk/engine'
import * as directory from '../directory/index.ts'
import { evaluate } from './evaluate.ts'
import type { ActionSearch, Evaluation, ResourceSearch, SubjectSearch } from './request.ts'
import { actionName, kindOf, openScene, permissionFor, type Scene, targetFor } from './scene.ts'

/** What a search answers (AuthZEN 1.0 §8): the page comes first, its token is empty at the end. */
export interface Found {
  page: { next_token: string; count: number }
  results: Record<string, unknown>[]
}

interface Paged {
  page: { token: string | undefined; limit: number }
}

/** The place of a list: the same question again, whatever the size of its pages. */
function listOf(kind: string, organizationId: string, { page: _, ...question }: Paged): string[] {
  return [`authzen.${kind}`, organizationId, canonicalJson(question as unknown as Json)]
}

function toFound(
  ctx: directory.Context,
  list: readonly string[],
  results: Record<string, unknown>[],
  next: number | null,
): Found {
  const token = directory.sealPlace(ctx, list, next) ?? ''
  return { page: { next_token: token, count: results.length }, results }
}

/** The resources of a type on which the subject may do something; each would be answered with yes. */
export function searchResources(
  ctx: directory.Context,
  organization: string,
  search: ResourceSearch,
): Promise<Found> {
  return directory.withIndex(ctx, wantedOf(organization, search), async standing => {
    const list = listOf('resource', standing.organization.id, search)
    const after = directory.openPlace(ctx, list, search.page.token)
    const scene = await openScene(ctx, standing, [search], [])
    const { view } = standing
    const type = view.catalogue.typesBySlug.get(search.resource.type)
    const permission = type && permissionFor(view, type.fact.id, search.action.name)
    const principal = scene.principal(search.subject)
    if (!type || !permission || !principal) return toFound(ctx, list, [], null)
    const question = { principal: principal.seq, permission: permission.fact.slug, now: scene.now }
    const idOf = (seq: number) => view.tree.externalIdOf(seq)
    const { items, next } = directory.fillPage(
      after,
      search.page.limit,
      (after, limit) => listResources(view, { ...question, type: type.fact.id, after, limit }),
      ({ resource }) => resource,
      ({ resource }) => isYes(scene, { ...search, resource: { ...search.resource, id: idOf(resource) } }),
    )
    const results = items.map(({ resource }) => ({ type: search.resource.type, id: idOf(resource) }))
    return toFound(ctx, list, results, next)
  })
}

/** The subjects of a type that may do something on a resource, whether themselves or through groups. */
export function searchSubjects(
  ctx: directory.Context,
  organization: string,
  search: SubjectSearch,
): Promise<Found> {
  return directory.withIndex(ctx, wantedOf(organization, search), async standing => {
    const list = listOf('subject', standing.organization.id, search)
    const after = directory.openPlace(ctx, list, search.page.token)
    // A condition may look at names. Where there is none, only those that are shown need to be read.
    const hasCondition = permissionOf(standing, search)?.fact.condition !== null
    const named = hasCondition ? candidates(standing, search, ctx.now(), after) : []
    const names = await readNames(ctx, named)
    const scene = await openScene(ctx, standing, [{ context: search.context }], [])
    const found: PrincipalFact[] = []
    for (const fact of candidates(standing, search, scene.now, after)) {
      const id = hasCondition ? names.get(fact.id) : fact.id
      if (id === undefined) continue
      const subject = { ...search.subject, id }
      if (!isYes({ ...scene, principal: () => fact }, { ...search, subject })) continue
      found.push(fact)
      if (found.length > search.page.limit) break
    }
    const shown = found.slice(0, search.page.limit)
    const next = found.length > shown.length ? (shown.at(-1)?.seq ?? null) : null
    const shownNames = hasCondition ? names : await readNames(ctx, shown)
    const results = shown.map(({ id }) => ({ type: search.subject.type, id: shownNames.get(id) ?? id }))
    return toFound(ctx, list, results, next)
  })
}

function permissionOf(
  standing: directory.Standing,
  { action, resource }: SubjectSearch,
): PermissionView | undefined {
  const target = targetFor(standing, resource)
  return target && permissionFor(standing.view, target.type.fact.id, action.name)
}

/** Everyone of the searched kind whom a role gives what is asked for; conditions and agents are not looked at yet. */
function candidates(
  standing: directory.Standing,
  search: SubjectSearch,
  now: number,
  after: number,
): PrincipalFact[] {
  const { view } = standing
  const kind = kindOf(search.subject.type)
  const target = targetFor(standing, search.resource)
  const permission = permissionOf(standing, search)
  if (!kind || !permission || !target) return []
  return listPrincipals(view, { permission: permission.fact.slug, resource: target.seq, now }).flatMap(
    ({ principal }) => {
      const fact = view.principalAt[principal]
      return fact?.kind === kind && fact.seq > after ? [fact] : []
    },
  )
}

const MOST_IDS = 500

/** By our id, what the organization calls them. */
async function readNames(
  ctx: directory.Context,
  principals: readonly PrincipalFact[],
): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  for (let from = 0; from < principals.length; from += MOST_IDS) {
    const ids = principals.slice(from, from + MOST_IDS).map(({ id }) => id)
    const rows = await ctx.store.db
      .selectFrom('principal')
      .select(['id', 'externalId'])
      .where('id', 'in', ids)
      .execute()
    for (const { id, externalId } of rows) names.set(id, externalId)
  }
  return names
}

/** What the subject may do on a resource, by the names of the actions. */
export function searchActions(
  ctx: directory.Context,
  organization: string,
  search: ActionSearch,
): Promise<Found> {
  return directory.withIndex(ctx, wantedOf(organization, search), async standing => {
    const list = listOf('action', standing.organization.id, search)
    const after = directory.openPlace(ctx, list, search.page.token)
    const scene = await openScene(ctx, standing, [search], [])
    const { view } = standing
    const target = targetFor(standing, search.resource)
    if (!target) return toFound(ctx, list, [], null)
    // By their place in the type, which never changes; 0 is where a list begins.
    const permitted = directory
      .permissionsOf(view, target.type.fact.id)
      .map(permission => ({ place: permission.fact.bit + 1, name: actionName(view, permission) }))
      .filter(({ place }) => place > after)
      .filter(({ name }) => isYes(scene, { ...search, action: { name, properties: {} } }))
      .sort((a, b) => a.place - b.place)
    const shown = permitted.slice(0, search.page.limit)
    const next = permitted.length > shown.length ? (shown.at(-1)?.place ?? null) : null
    const results = shown.map(({ name }) => ({ name }))
    return toFound(ctx, list, results, next)
  })
}

function isYes(scene: Scene, evaluation: Evaluation): boolean {
  return evaluate(scene, evaluation).decision
}

function wantedOf(organization: string, { context }: Pick<Evaluation, 'context'>): directory.Wanted {
  return { organization, consistency: context.consistency ?? undefined }
}
