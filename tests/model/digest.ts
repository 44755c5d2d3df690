import { createHash } from 'node:crypto'
import {
  carriersOf,
  effectivePermissions,
  isAllowed,
  listPrincipals,
  listResources,
  rootsOf,
} from '../../packages/sdk/src/engine/access.ts'
import { pathOf } from '../../packages/sdk/src/engine/naming.ts'
import type { OrganizationView } from '../../packages/sdk/src/engine/organization.ts'

/** One text for the tree and for every answer that an index gives at a moment: equal where all of them are. */
export function digestOf(view: OrganizationView, now: number): string {
  const hash = createHash('sha256')
  const add = (...parts: unknown[]) => hash.update(`${JSON.stringify(parts)}\n`)
  const seqs = [...view.tree.rows().values()].flatMap(rows => rows.map(([seq]) => seq)).sort((a, b) => a - b)
  const permissions = [...view.catalogue.permissions.keys()].sort()
  const types = [...view.catalogue.resourceTypes.keys()].sort()
  const principals = [...view.principals.values()].sort((a, b) => a.seq - b.seq)
  for (const seq of seqs) {
    add(
      seq,
      pathOf(view, seq),
      view.tree.parentOf(seq),
      [...view.tree.childrenOf(seq)].sort((a, b) => a - b),
    )
    for (const permission of permissions)
      add(listPrincipals(view, { permission, resource: seq, now }).map(({ principal }) => principal))
  }
  for (const { seq: principal, name, kind, status } of principals) {
    add(principal, name, kind, status)
    for (const resource of seqs) {
      add(effectivePermissions(view, { principal, resource, now }))
      for (const permission of permissions) {
        const question = { principal, permission, resource, now }
        const why = carriersOf(view, question).map(({ assignment, group }) => `${assignment.id} ${group}`)
        add(isAllowed(view, question), why.sort())
      }
    }
    for (const permission of permissions) {
      add(rootsOf(view, { principal, permission, now }).map(({ resource }) => resource))
      for (const type of types) {
        const { items } = listResources(view, { principal, permission, type, now, after: 0, limit: 1_000 })
        add(items.map(({ resource, direct }) => [resource, direct]))
      }
    }
  }
  return hash.digest('hex')
}
