import { ROOT_RESOURCE } from '@valetkey/sdk/core'
import {
  findResource,
  isAllowed,
  type OrganizationView,
  parseRef,
  refOf,
  rootsOf,
} from '@valetkey/sdk/engine'
import { sql } from 'kysely'
import { type Context, withIndex } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import type { Person } from '../account/person.ts'

/** A resource that a person could let an agent work on. */
export interface Reachable {
  seq: number
  /** As `customer/acme`. */
  ref: string
  name: string
}

/** How many a page shows beside those that are chosen. */
export const MOST_SHOWN = 15
/** So many are gathered of what a person has, to show the oldest of them. */
const MOST_GATHERED = 5_000
/** How many numbers one look at the database covers. */
const STEP = 10_000

export interface Reach {
  chosen: Reachable[]
  others: Reachable[]
  /** There is more than is shown. */
  hasMore: boolean
}

/**
 * What of the person's own an agent could be let near with these permissions: first what is chosen already, then what a
 * search finds or, without one, where the person holds them.
 */
export async function readReach(
  ctx: Context,
  person: Person,
  permissions: readonly string[],
  { find, chosen }: { find: string; chosen: readonly string[] },
): Promise<Reach> {
  return withIndex(ctx, { organization: person.organization.id }, async ({ view }) => {
    const holds = (seq: number) => holdsSome(view, person, permissions, seq, ctx.now())
    const numbers = [...new Set(chosen.flatMap(ref => numberOf(view, ref)))].filter(holds)
    const found =
      find === '' ? ownOf(view, person, permissions, ctx.now()) : await search(ctx.store, person, find, holds)
    const others = found.filter(seq => !numbers.includes(seq))
    const shown = others.slice(0, MOST_SHOWN)
    const names = await readNames(ctx.store, person.organization.id, [...numbers, ...shown])
    const describe = (seq: number) => {
      const ref = refOf(view, seq)
      return { seq, ref, name: names.get(seq) || ref }
    }
    return {
      chosen: numbers.map(describe),
      others: shown.map(describe),
      hasMore: others.length > shown.length,
    }
  })
}

/** Which of these resources the person could let an agent near, today; others are passed over. */
export function keepHeld(
  ctx: Context,
  person: Person,
  permissions: readonly string[],
  refs: readonly string[],
): Promise<string[]> {
  return withIndex(ctx, { organization: person.organization.id }, ({ view }) => {
    const numbers = new Set(refs.flatMap(ref => numberOf(view, ref)))
    const held = [...numbers].filter(seq => holdsSome(view, person, permissions, seq, ctx.now()))
    return held.map(seq => refOf(view, seq))
  })
}

/** Numbers as references, without those that are gone. */
export function toRefs(ctx: Context, organization: string, numbers: readonly number[]): Promise<string[]> {
  return withIndex(ctx, { organization }, ({ view }) =>
    numbers.filter(seq => view.tree.has(seq)).map(seq => refOf(view, seq)),
  )
}

/** What resources are called, those that are gone left out. */
export function namesOfRefs(ctx: Context, organization: string, refs: readonly string[]): Promise<string[]> {
  return withIndex(ctx, { organization }, async ({ view }) => {
    const found = refs.flatMap(ref => numberOf(view, ref).map(seq => ({ ref, seq })))
    const names = await readNames(
      ctx.store,
      organization,
      found.map(({ seq }) => seq),
    )
    return found.map(({ ref, seq }) => names.get(seq) || ref)
  })
}

function numberOf(view: OrganizationView, text: string): number[] {
  const ref = parseRef(text)
  const seq = ref ? findResource(view, ref.type, ref.id) : 0
  return seq === 0 ? [] : [seq]
}

function holdsSome(
  view: OrganizationView,
  { seq: principal }: Person,
  permissions: readonly string[],
  resource: number,
  now: number,
): boolean {
  return permissions.some(permission => isAllowed(view, { principal, permission, resource, now }))
}

/** What roles were given on, and for one on the whole organization all that lies directly below it. */
function ownOf(
  view: OrganizationView,
  { seq: principal }: Person,
  permissions: readonly string[],
  now: number,
): number[] {
  const found = new Set<number>()
  for (const permission of permissions)
    for (const { resource } of rootsOf(view, { principal, permission, now }))
      for (const seq of resource === ROOT_RESOURCE ? view.tree.childrenOf(resource) : [resource]) {
        if (found.size === MOST_GATHERED) break
        found.add(seq)
      }
  return [...found].sort((a, b) => a - b)
}

/** Looks through names and ids in steps, so that others get their turn in between; one more than is shown is enough. */
async function search(
  { db }: Store,
  { organization: { id } }: Person,
  find: string,
  isOffered: (seq: number) => boolean,
): Promise<number[]> {
  const pattern = `%${find.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
  const { nextResourceSeq: end } = await db
    .selectFrom('organization')
    .select('nextResourceSeq')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const found: number[] = []
  for (let from = ROOT_RESOURCE + 1; from < end && found.length <= MOST_SHOWN; from += STEP) {
    const rows = await db
      .selectFrom('resource')
      .select('seq')
      .where('organizationId', '=', id)
      .where('seq', '>=', from)
      .where('seq', '<', from + STEP)
      .where('deletedRevision', 'is', null)
      .where(
        sql<boolean>`(lower(name) like ${pattern} escape '\\' or lower(external_id) like ${pattern} escape '\\')`,
      )
      .orderBy('seq')
      .execute()
    for (const { seq } of rows) if (found.length <= MOST_SHOWN && isOffered(seq)) found.push(seq)
    await new Promise(resolve => setImmediate(resolve))
  }
  return found
}

async function readNames(
  { db }: Store,
  organizationId: string,
  numbers: readonly number[],
): Promise<Map<number, string>> {
  if (numbers.length === 0) return new Map()
  const rows = await db
    .selectFrom('resource')
    .select(['seq', 'name'])
    .where('organizationId', '=', organizationId)
    .where('seq', 'in', numbers)
    .execute()
  return new Map(rows.map(({ seq, name }) => [seq, name]))
}
