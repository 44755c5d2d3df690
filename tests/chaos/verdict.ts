import type { Evidence } from './evidence.ts'
import type { Made } from './load.ts'

/** What a campaign showed. */
export interface Verdict {
  kills: Record<string, number>
  calls: number
  /** Calls that reached a tool. */
  released: number
  /** Records at the authority, outcomes too. */
  records: number
  /** Released calls without a record: what must not be. */
  lost: number
  /** Calls that the policy permits and that were refused because the point could not know that it still does. */
  stale: number
  /** Calls whose caller got no answer, because a process was gone. */
  broken: number
  /** Everything that must not be, in words. Empty where the promise held. */
  violations: readonly string[]
}

const SHOWN = 5

/** Holds what reached the tools against what the authority has on record and what the policy says. */
export function judge(found: {
  made: readonly Made[]
  released: ReadonlySet<string>
  evidence: Evidence
  kills: Record<string, number>
  /** What else went wrong, in words. */
  faults: readonly string[]
}): Verdict {
  const { made, released, evidence, kills, faults } = found
  const forbidden = new Set(made.filter(({ deed }) => !deed.isPermitted).map(({ id }) => id))
  const permits = [...evidence.calls].filter(([, decision]) => decision === 'permit').map(([id]) => id)
  const lost = [...released].filter(id => !evidence.calls.has(id))
  const violations = [
    ...report('released without a record', lost),
    ...report(
      'released although its record says refused',
      [...released].filter(id => evidence.calls.get(id) === 'deny'),
    ),
    ...report(
      'released although the policy refuses it',
      [...released].filter(id => forbidden.has(id)),
    ),
    ...report(
      'recorded as permitted although the policy refuses it',
      permits.filter(id => forbidden.has(id)),
    ),
    ...report(
      'answered without having reached the tool',
      made.filter(({ id, answer }) => answer === 'permitted' && !released.has(id)).map(({ id }) => id),
    ),
    ...report(
      'refused for no reason that a crash explains',
      made
        .filter(({ deed, answer }) => deed.isPermitted && !EXPLAINED.has(answer))
        .map(({ id, answer }) => `${id} (${answer})`),
    ),
    ...evidence.holes.map(hole => `numbers with a hole: ${hole}`),
    ...faults,
  ]
  if (released.size === 0) violations.push('not one call was released: nothing was shown')
  return {
    kills,
    calls: made.length,
    released: released.size,
    records: evidence.records,
    lost: lost.length,
    stale: made.filter(({ deed, answer }) => deed.isPermitted && answer === 'stale').length,
    broken: made.filter(({ answer }) => answer === 'broken').length,
    violations,
  }
}

const EXPLAINED: ReadonlySet<string> = new Set(['permitted', 'stale', 'broken', 'audit_unavailable'])

function report(what: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return []
  const more = ids.length > SHOWN ? ` and ${ids.length - SHOWN} more` : ''
  return [`${ids.length} ${what}: ${ids.slice(0, SHOWN).join(', ')}${more}`]
}
