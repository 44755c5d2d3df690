import { randomBytes } from 'node:crypto'
import * as directory from '../directory/index.ts'
import { openStore } from '../store/index.ts'
import { applyPolicy } from './apply.ts'
import { joinPath, readPolicy } from './fault.ts'

export type Escalation = directory.OutputOf<'delegationRules', 'report'>['items'][number]

/** Something that a policy lets happen and that nobody said is meant. */
export interface Finding extends Escalation {
  /** The rule of the policy that lets it begin, as `delegations.0`. */
  path: string
}

/**
 * Looks at a policy without any authority: applies it to an empty one in memory, and says what agents could cause by
 * delegating that they may not do themselves. Throws `policy.invalid` for what cannot be applied.
 */
export async function lintPolicy(policy: Record<string, unknown>, now: () => number): Promise<Finding[]> {
  const store = await openStore({ url: 'sqlite::memory:', masterKey: randomBytes(32), now })
  try {
    const ctx: directory.Context = { store, now, actor: { id: 'lint', name: 'lint', permissions: ['*'] } }
    const { organization: slug = 'lint', delegations } = readPolicy(policy)
    await directory.createOrganization(ctx, { slug, name: slug })
    await applyPolicy(ctx, {
      policy: policy as directory.InputOf<'policy', 'apply'>['policy'],
      organization: slug,
      dryRun: false,
    })
    const { items } = await directory.reportDelegation(ctx, { organization: slug })
    const places = new Map<string, string>()
    for (const [index, { from, to, scopes = null, beyond = [] }] of delegations.entries()) {
      // It stands already: this says by which id.
      const { id } = await directory.putDelegationRule(ctx, { organization: slug, from, to, scopes, beyond })
      places.set(id, joinPath(['delegations', String(index)]))
    }
    return items
      .filter(({ accepted }) => !accepted)
      .map(item => ({ ...item, path: places.get(item.rules[0] ?? '') ?? 'delegations' }))
  } finally {
    await store.close()
  }
}
