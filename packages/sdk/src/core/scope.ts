/**
 * Scopes are permission slugs (`invoices:read`) or a whole family of them (`invoices:*`). A broader scope implies the
 * narrower ones (MCP 2026-07-28: servers must honour scope hierarchies). A scope is an upper bound, never a decision.
 */
export function covers(scope: string, permission: string): boolean {
  if (scope === permission) return true
  return scope.endsWith(':*') && permission.startsWith(scope.slice(0, -1))
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
