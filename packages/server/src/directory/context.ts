import type { Store } from '../store/index.ts'

/** Who asks: an API token's id, its name, and what it carries (`agent:write`; `*` is all). */
export interface Actor {
  id: string
  name: string
  permissions: readonly string[]
}

/** What an operation is given; it reads nothing else. */
export interface Context {
  store: Store
  actor: Actor
  /** Why, in the words of who asks; on record with all that is done. */
  reason?: string
  now(): number
}
