const COLON = 58
const STAR = 42

/**
 * Scopes are permission slugs (`invoices:read`) or a whole family of them (`invoices:*`). A broader scope implies the
 * narrower ones (MCP 2026-07-28: servers must honour scope hierarchies). A scope is an upper bound, never a decision.
 */
export function covers(scope: string, permission: string): boolean {
  if (scope === permission) return true
  const star = scope.length - 1
  if (scope.charCodeAt(star) !== STAR || scope.charCodeAt(star - 1) !== COLON) return false
  // Letter by letter: this is asked several times in every decision, and to cut the star off would make a string each time.
  for (let at = 0; at < star; at++) if (scope.charCodeAt(at) !== permission.charCodeAt(at)) return false
  return true
}

export function anyCovers(scopes: readonly string[], permission: string): boolean {
  for (const scope of scopes) if (covers(scope, permission)) return true
  return false
}

/** What both sides allow: of each pair that overlaps, the narrower scope. Never wider than either side. */
export function intersectScopes(left: readonly string[], right: readonly string[]): string[] {
  const both = new Set<string>()
  for (const scope of left) if (anyCovers(right, scope)) both.add(scope)
  for (const scope of right) if (anyCovers(left, scope)) both.add(scope)
  return [...both].sort()
}
