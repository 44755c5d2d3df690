import { rootsOf } from '@valetkey/sdk/engine'
import { type Context, withIndex } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import type { Caller } from '../client/caller.ts'

/** Which of these permissions a person holds on whatever resource, at the moment in which the caller was found. */
export async function heldBy(
  store: Store,
  person: string,
  { organization, revision, catalogueRevision }: Caller,
  permissions: readonly string[],
  now: () => number,
): Promise<string[]> {
  const ctx: Context = { store, now, actor: { id: person, name: person, permissions: [] } }
  const since = { revision, catalogue: Number(catalogueRevision) }
  return withIndex(ctx, { organization, since }, ({ view, isStale }) => {
    const principal = view.principals.get(person)?.seq
    if (principal === undefined || isStale) return []
    return permissions.filter(permission => rootsOf(view, { principal, permission, now: now() }).length > 0)
  })
}
