import { anyCovers, type Risk } from '@valetkey/sdk/core'
import { type OrganizationView, rootsOf } from '@valetkey/sdk/engine'
import { type Context, withIndex } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import type { Person } from '../account/person.ts'

/** One thing that a person could let the agent do. */
export interface OfferedScope {
  slug: string
  label: string
  risk: Risk
  /** The agent asks for it now. */
  isAsked: boolean
  /** The person has let it before, for as long as the grant lasts. Never said of what is dangerous: that is asked each time. */
  isGranted: boolean
}

/** What a person could give today: what was asked or given before, within the agent's ceiling and what the person holds. */
export interface Offer {
  scopes: OfferedScope[]
  /** Asked for, within the ceiling, and not held by the person. */
  lacking: string[]
}

export const NOTHING_TO_OFFER: Offer = { scopes: [], lacking: [] }

export async function readOffer(
  ctx: Context,
  person: Person,
  wanted: { asked: readonly string[]; granted: readonly string[]; ceiling: readonly string[] | null },
): Promise<Offer> {
  const { asked, granted, ceiling } = wanted
  const isWithin = (slug: string) => ceiling === null || anyCovers(ceiling, slug)
  const within = [...new Set([...asked, ...granted])].filter(isWithin)
  const held = await withIndex(ctx, { organization: person.organization.id }, ({ view }) =>
    within.filter(slug => isHeld(view, person.seq, slug, ctx.now())),
  )
  const rows = await readPermissions(ctx.store, held)
  return {
    scopes: rows.map(row => ({
      ...row,
      isAsked: asked.includes(row.slug),
      isGranted: row.risk !== 'dangerous' && anyCovers(granted, row.slug),
    })),
    lacking: within.filter(slug => asked.includes(slug) && !held.includes(slug)),
  }
}

function isHeld(view: OrganizationView, principal: number, permission: string, now: number): boolean {
  return rootsOf(view, { principal, permission, now }).length > 0
}

const RISKS: Risk[] = ['read', 'write', 'dangerous']

/** The harmless first. */
async function readPermissions({ db }: Store, slugs: readonly string[]) {
  if (slugs.length === 0) return []
  const rows = await db
    .selectFrom('permission')
    .select(['slug', 'label', 'risk'])
    .where('slug', 'in', slugs)
    .where('retiredRevision', 'is', null)
    .execute()
  return rows.sort((a, b) => RISKS.indexOf(a.risk) - RISKS.indexOf(b.risk) || (a.slug < b.slug ? -1 : 1))
}
