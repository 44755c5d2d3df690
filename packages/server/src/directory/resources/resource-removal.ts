import { sql } from 'kysely'
import type { Tx } from '../../store/index.ts'
import { type ResourceRow, subtree } from './resource-tree.ts'

/** Marks a resource and all below it as removed, takes away every role that was given there, and counts both. */
export async function removeSubtree(
  tx: Tx,
  { organizationId, seq }: ResourceRow,
  revision: number,
): Promise<{ resources: number; assignments: number }> {
  const within = subtree(organizationId, seq)
  const assignments = await sql`
    delete from assignment
    where organization_id = ${organizationId} and resource_seq in (${within})`.execute(tx)
  const resources = await sql`
    update resource set deleted_revision = ${revision}
    where organization_id = ${organizationId} and seq in (${within})`.execute(tx)
  return {
    resources: Number(resources.numAffectedRows ?? 0),
    assignments: Number(assignments.numAffectedRows ?? 0),
  }
}
