import { anyCovers, type Risk, ROOT_RESOURCE } from '@valetkey/sdk/core'
import { type OrganizationView, refOf, rootsOf } from '@valetkey/sdk/engine'
import { type Context, withIndex } from '../directory/index.ts'
import type { AuthorizationRequest } from '../oauth/index.ts'
import type { Store } from '../store/index.ts'
import type { Person } from './person.ts'

/** One thing that a person could let the agent do. */
export interface OfferedScope {
  slug: string
  label: string
  risk: Risk
}

/** What a person could give today: what was asked, within the agent's ceiling and what the person holds. */
export interface Offer {
  scopes: OfferedScope[]
  /** Some of what the person reaches, as `customer/acme` with its name, to choose from. */
  resources: { ref: string; name: string }[]
  /** There is more than is shown. */
  hasMore: boolean
}

/** How many resources a page shows. */
export const MOST_SHOWN = 30

export async function readOffer(
  ctx: Context,
  request: Pick<AuthorizationRequest, 'requested'>,
  person: Person,
  ceiling: readonly string[] | null,
): Promise<Offer> {
  const within = request.requested.filter(scope => ceiling === null || anyCovers(ceiling, scope))
  const found = await withIndex(ctx, { organization: person.organization.id }, ({ view }) => {
    const held = within.filter(slug => isHeld(view, person.seq, slug, ctx.now()))
    return { held, numbers: resourcesOf(view, person.seq, held, ctx.now()) }
  })
  const [scopes, resources] = await Promise.all([
    readScopes(ctx.store, found.held),
    readNames(ctx.store, person.organization.id, found.numbers.slice(0, MOST_SHOWN)),
  ])
  return { scopes, resources, hasMore: found.numbers.length > MOST_SHOWN }
}

function isHeld(view: OrganizationView, principal: number, permission: string, now: number): boolean {
  return rootsOf(view, { principal, permission, now }).length > 0
}

/**
 * Where the person holds the permissions, as far as it can be told apart: what a role was given on, and for one on the whole
 * organization all that lies directly below it.
 */
function resourcesOf(
  view: OrganizationView,
  principal: number,
  permissions: readonly string[],
  now: number,
): { seq: number; ref: string }[] {
  const found = new Set<number>()
  for (const permission of permissions)
    for (const { resource } of rootsOf(view, { principal, permission, now }))
      for (const seq of resource === ROOT_RESOURCE ? view.tree.childrenOf(resource) : [resource]) {
        if (found.size > MOST_SHOWN) break
        found.add(seq)
      }
  return [...found].sort((a, b) => a - b).map(seq => ({ seq, ref: refOf(view, seq) }))
}

const RISKS: Risk[] = ['read', 'write', 'dangerous']

async function readScopes({ db }: Store, slugs: readonly string[]): Promise<OfferedScope[]> {
  if (slugs.length === 0) return []
  const rows = await db
    .selectFrom('permission')
    .select(['slug', 'label', 'risk'])
    .where('slug', 'in', slugs)
    .execute()
  return rows.sort((a, b) => RISKS.indexOf(a.risk) - RISKS.indexOf(b.risk) || (a.slug < b.slug ? -1 : 1))
}

async function readNames(
  { db }: Store,
  organizationId: string,
  numbers: readonly { seq: number; ref: string }[],
): Promise<Offer['resources']> {
  if (numbers.length === 0) return []
  const rows = await db
    .selectFrom('resource')
    .select(['seq', 'name'])
    .where('organizationId', '=', organizationId)
    .where(
      'seq',
      'in',
      numbers.map(({ seq }) => seq),
    )
    .execute()
  const names = new Map(rows.map(({ seq, name }) => [seq, name]))
  return numbers.map(({ seq, ref }) => ({ ref, name: names.get(seq) || ref }))
}
