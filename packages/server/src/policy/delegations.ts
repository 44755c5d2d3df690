import * as directory from '../directory/index.ts'
import type { Policy } from './format.ts'
import { all, at, differences, type Run } from './run.ts'

/** Lets agents delegate as it is listed; what other rules there are stays. */
export async function applyDelegations(
  { ctx, changes }: Run,
  policy: Policy,
  organization: string,
): Promise<void> {
  if (policy.delegations.length === 0) return
  const standing = await all(page => directory.listDelegationRules(ctx, { ...page, organization }))
  for (const [index, { from, to, scopes = null, beyond = [] }] of policy.delegations.entries()) {
    const path = ['delegations', String(index)]
    const rule = await at(path, directory.putDelegationRule(ctx, { organization, from, to, scopes, beyond }))
    const before = standing.find(({ id }) => id === rule.id)
    const name = `${rule.from} -> ${rule.to}`
    if (!before) {
      const detail = rule.scopes === null ? 'all that it may' : rule.scopes.join(' ')
      changes.push({ sign: '+', kind: 'delegation', name, detail })
      continue
    }
    const detail = differences(before, { scopes: rule.scopes, beyond: rule.beyond })
    if (detail !== '') changes.push({ sign: '~', kind: 'delegation', name, detail })
  }
}
