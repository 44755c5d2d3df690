/** Patterns by claim, as an administrator wrote them; names of claims within claims are joined by slashes. */
export type ClaimPatterns = Readonly<Record<string, string>>

/** Whether claims say all that a rule asks for. A rule that asks for nothing matches nobody. */
export function matchesRule(patterns: ClaimPatterns, claims: Readonly<Record<string, unknown>>): boolean {
  const wanted = Object.entries(patterns)
  return wanted.length > 0 && wanted.every(([name, pattern]) => matches(pattern, claimAt(claims, name)))
}

function matches(pattern: string, value: unknown): boolean {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return false
  const text = String(value)
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
}

/** A claim of that very name, else one within others; nothing that JavaScript itself brings along. */
function claimAt(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) {
    const outer = name.slice(0, at)
    const inner = Object.hasOwn(claims, outer) ? claims[outer] : undefined
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) continue
    const value = claimAt(inner as Record<string, unknown>, name.slice(at + 1))
    if (value !== undefined) return value
  }
  return undefined
}
