import { rootsOf } from '@valetkey/sdk/engine'
import { type Context, withIndex } from '../directory/index.ts'
import type { Store } from '../store/index.ts'

/** Which of these permissions a person holds today, on whatever resource. */
export async function heldBy(
  store: Store,
  person: { id: string; organization: string },
  permissions: readonly string[],
  now: () => number,
): Promise<string[]> {
  const ctx: Context = { store, now, actor: { id: person.id, name: person.id, permissions: [] } }
  return withIndex(ctx, { organization: person.organization }, ({ view }) => {
    const principal = view.principals.get(person.id)?.seq
    if (principal === undefined) return []
    return permissions.filter(permission => rootsOf(view, { principal, permission, now: now() }).length > 0)
  })
}
