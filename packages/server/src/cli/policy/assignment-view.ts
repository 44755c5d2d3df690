import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { View } from '../terminal/index.ts'

export type Assignment = Output<AdminApi['assignments']['create']>

/** Who has which role on what. */
export const assignmentView: View<Assignment> = {
  kind: 'Assignment',
  name: assignment => assignment.id,
  columns: [
    { header: 'WHO', value: assignment => assignment.principalName },
    { header: 'ROLE', value: assignment => assignment.role },
    { header: 'ON', value: assignment => assignment.resource },
    { header: 'CREATED', value: assignment => ({ time: assignment.createdAt }) },
    { header: 'EXPIRES', value: assignment => ({ time: assignment.expiresAt }) },
    { header: 'ID', value: assignment => assignment.id },
    { header: 'CREATED BY', value: assignment => assignment.createdBy, wide: true },
    { header: 'SOURCE', value: assignment => assignment.source, wide: true },
  ],
}
