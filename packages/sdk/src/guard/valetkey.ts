import { AppError } from '../core/index.ts'
import { type Caller, type Filter, filterFor } from '../engine/index.ts'
import { isIdentified } from './enforcement/observe.ts'
import type { Point } from './enforcement/point.ts'

export type { Filter } from '../engine/index.ts'

/** Who calls, for tool code, and what of its data that caller may see. */
export interface ValetKey {
  /** The caller's organization: whatever `filter` says holds within it and nowhere else. Empty for who has no identity here. */
  organization: string
  agent: string
  /** For whom the agent acts, and by which grant; null where it acts for itself. */
  person: string | null
  grant: string | null
  /**
   * The fewest resources under which the caller holds a permission, for the WHERE of a query: the agent, the person it
   * acts for, the grant between them and the token's scopes, as they are now. Rejects where that cannot be known.
   */
  filter(permission: string): Promise<Filter>
}

/** What a guarded handler's tool code gets to ask. */
export function createValetKey(point: Point, caller: Caller): ValetKey {
  const { organization, agent, person, grant } = caller
  return {
    organization,
    agent,
    person,
    grant,
    async filter(permission) {
      const { replica, clock, server } = point
      const known = replica.snapshot.catalogue.permissions.get(permission)
      if (!known) throw new AppError('not_found', `There is no permission "${permission}".`)
      const isHeld = !isIdentified(caller) || (await replica.hold(organization, caller.revision))
      if (!isHeld || !(await replica.ensureLease(known.fact.risk)))
        throw new AppError(
          'authority.unreachable',
          'What the caller may see is not known now: the authority has not confirmed it.',
        )
      return filterFor(replica.snapshot, { server: server.id, caller, now: clock.now() }, permission)
    },
  }
}

/** Where each kind of handler finds what the guard gave it. */
const PLACES = [
  [],
  // A plain handler's second argument, and an entry of it.
  ['valetkey'],
  ['extra', 'valetkey'],
  // SDK v1: what a tool gets beside its arguments. SDK v2: what a server is built for.
  ['authInfo', 'extra', 'valetkey'],
  // SDK v2: what a tool gets beside its arguments.
  ['http', 'authInfo', 'extra', 'valetkey'],
] as const

/**
 * The caller of a guarded call, from what tool code gets beside its arguments: `ctx` of SDK v2, `extra` of SDK v1, the
 * second argument of a plain handler, or the `authInfo` in any of them. Throws where no guard stands in front.
 */
export function valetkeyOf(context: unknown): ValetKey {
  for (const place of PLACES) {
    let found = context
    for (const name of place) found = memberOf(found, name)
    if (isValetKey(found)) return found
  }
  throw new AppError('config.invalid', 'This call did not come through a guard: put createGuard() in front.')
}

function memberOf(value: unknown, name: string): unknown {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[name] : undefined
}

/** What a caller sends is JSON, which holds no functions: it cannot pass for this. */
function isValetKey(value: unknown): value is ValetKey {
  return (
    typeof memberOf(value, 'filter') === 'function' && typeof memberOf(value, 'organization') === 'string'
  )
}
