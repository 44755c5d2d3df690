import { isId, type PrincipalFact } from '@valetkey/sdk/core'
import type { OrganizationView } from '@valetkey/sdk/engine'
import type { Db } from '../../store/index.ts'
import { foldName, ID_KINDS, type PrincipalKind, parsePrincipalRef } from '../reference.ts'

/** A principal as a caller names it: by our id, or by its kind and what the organization calls it. */
export type PrincipalName = { id: string } | { kind: PrincipalKind; name: string }

/** A principal of a kind, by our id or by its name. */
export function nameOf(kind: PrincipalKind, name: string): PrincipalName {
  return isId(name, ID_KINDS[kind]) ? { id: name } : { kind, name }
}

/** Reads `user:ada@northwind.test`, an id, or a bare name. */
export function readPrincipalRef(ref: string): PrincipalName {
  const { kind, name } = parsePrincipalRef(ref)
  return nameOf(kind, name)
}

/** How many names one statement asks for. */
const MOST_NAMES = 500
const MOST_REMEMBERED = 100_000
/** By database, then by organization, kind and name. Nobody changes the name that others call them by. */
const rememberedIds = new WeakMap<Db, Map<string, string>>()

/**
 * Finds principals of an organization among the facts at hand, all of them by one look at the database at most. What is
 * given back can be asked for these names, at any later moment.
 */
export async function findPrincipals(
  db: Db,
  organizationId: string,
  view: () => OrganizationView,
  names: readonly PrincipalName[],
): Promise<(name: PrincipalName) => PrincipalFact | undefined> {
  const keyOf = (kind: PrincipalKind, name: string) => `${organizationId} ${kind} ${foldName(name)}`
  const remembered = rememberedOf(db)
  const ids = new Map<string, string>()
  const missing = new Map<PrincipalKind, Set<string>>()
  for (const name of names) {
    if ('id' in name) continue
    const key = keyOf(name.kind, name.name)
    const id = remembered.get(key) ?? ''
    const status = view().principals.get(id)?.status
    // Who is retired may have made room for another of the same name.
    if (status !== undefined && status !== 'retired') ids.set(key, id)
    else missing.set(name.kind, (missing.get(name.kind) ?? new Set()).add(foldName(name.name)))
  }
  for (const [kind, wanted] of missing)
    for (const { id, externalId } of await lookUp(db, organizationId, kind, [...wanted])) {
      ids.set(keyOf(kind, externalId), id)
      remembered.set(keyOf(kind, externalId), id)
    }
  return name => view().principals.get('id' in name ? name.id : (ids.get(keyOf(name.kind, name.name)) ?? ''))
}

function rememberedOf(db: Db): Map<string, string> {
  const known = rememberedIds.get(db)
  if (known && known.size < MOST_REMEMBERED) return known
  const fresh = new Map<string, string>()
  rememberedIds.set(db, fresh)
  return fresh
}

async function lookUp(
  db: Db,
  organizationId: string,
  kind: PrincipalKind,
  names: readonly string[],
): Promise<{ id: string; externalId: string }[]> {
  const found: { id: string; externalId: string }[] = []
  for (let from = 0; from < names.length; from += MOST_NAMES)
    found.push(
      ...(await db
        .selectFrom('principal')
        .select(['id', 'externalId'])
        .where('organizationId', '=', organizationId)
        .where('kind', '=', kind)
        .where('externalId', 'in', names.slice(from, from + MOST_NAMES))
        .execute()),
    )
  return found
}
