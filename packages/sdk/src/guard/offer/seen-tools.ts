import type { JsonObject } from '../../core/index.ts'
import { hashDefinition } from './offer.ts'

/**
 * The tools of a server as they were last seen, each with the hash of its definition. Every list that passes through
 * is looked at, so that a definition that changes is noticed when the first model sees it.
 */
export interface SeenTools {
  definition(tool: string): string | null
  offers(tool: string): boolean
  see(tools: readonly JsonObject[]): void
  /** All there are: what is not among them is gone. */
  replace(tools: readonly JsonObject[]): void
}

export function createSeenTools(): SeenTools {
  let seen = new Map<string, { text: string; hash: string }>()
  function put(into: typeof seen, tool: JsonObject): void {
    const name = tool['name']
    if (typeof name !== 'string') return
    const text = JSON.stringify(tool)
    const known = seen.get(name)
    into.set(name, known?.text === text ? known : { text, hash: hashDefinition(tool) })
  }
  return {
    definition: tool => seen.get(tool)?.hash ?? null,
    offers: tool => seen.has(tool),
    see(tools) {
      for (const tool of tools) put(seen, tool)
    },
    replace(tools) {
      const fresh: typeof seen = new Map()
      for (const tool of tools) put(fresh, tool)
      seen = fresh
    },
  }
}
