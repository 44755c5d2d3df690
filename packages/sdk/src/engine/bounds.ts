import type { GrantFact } from '../core/index.ts'
import { findResource, parseRef } from './naming.ts'
import type { OrganizationView } from './organization.ts'
import type { Action, Caller } from './request.ts'

/** Further bounds of a caller than scopes and the resources of its grant: those of its token, and of its grant. */
export interface Bounds {
  /** Names of tools: one of each list has to be the one that is called. */
  tools: readonly (readonly string[])[]
  /** Numbers of resources; null is everywhere. */
  within: readonly number[] | null
}

const NO_TOOLS: readonly (readonly string[])[] = []
/** As almost every caller is. */
const UNBOUND: Bounds = { tools: NO_TOOLS, within: null }

export function boundsOn(
  view: OrganizationView | undefined,
  grant: GrantFact | undefined,
  { bounds }: Pick<Caller, 'bounds'>,
): Bounds {
  if (grant?.tools === undefined && bounds === undefined) return UNBOUND
  const tools = [grant?.tools, bounds?.tools].filter(names => names !== undefined && names !== null)
  return { tools, within: bounds?.resources ? numbersOf(view, bounds.resources) : null }
}

/** A resource that is not there any more is none. */
function numbersOf(view: OrganizationView | undefined, refs: readonly string[]): number[] {
  return refs.flatMap(text => {
    const ref = view && parseRef(text)
    const number = ref ? findResource(view, ref.type, ref.id) : 0
    return number === 0 ? [] : [number]
  })
}

/** Whether the bounds leave a tool; whatever is no tool they leave only where they name none. */
export function leavesTool({ tools }: Bounds, { kind, name }: Pick<Action, 'kind' | 'name'>): boolean {
  for (const names of tools) if (kind !== 'tool' || !names.includes(name)) return false
  return true
}

export function leavesResource({ tree }: OrganizationView, { within }: Bounds, resource: number): boolean {
  return within === null || within.some(root => tree.isWithin(resource, root))
}
