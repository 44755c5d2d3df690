import * as directory from '../directory/index.ts'
import type { Policy } from './format.ts'
import { all, at, differences, type Run, refuse } from './run.ts'

/** Adds the trusted issuers that are missing and changes others; one that lists rules has exactly those. */
export async function applyIssuers(run: Run, policy: Policy, organization: string): Promise<void> {
  const { ctx, changes } = run
  const standing = await all(page => directory.listIssuers(ctx, { ...page, organization }))
  for (const [name, { kind, issuer, ...terms }] of Object.entries(policy.issuers)) {
    const path = ['issuers', name]
    const before = standing.find(one => one.name === name)
    if (!before) {
      await at(path, directory.createIssuer(ctx, { organization, name, kind, issuer, ...terms }))
      changes.push({ sign: '+', kind: 'issuer', name, detail: `${kind} ${issuer}` })
      continue
    }
    if (before.kind !== kind || before.issuer !== issuer)
      refuse(path, 'What an issuer is, and whose word it is, stays. Add another one under another name.')
    const after = await at(path, directory.updateIssuer(ctx, { organization, issuerId: before.id, ...terms }))
    const detail = differences(before, after)
    if (detail !== '') changes.push({ sign: '~', kind: 'issuer', name, detail })
  }
}
