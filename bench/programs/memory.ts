import { CATALOGUE } from '@valetkey/sdk/core'
import { createSnapshot } from '@valetkey/sdk/engine'
import { serve, settings } from '../child.ts'
import { catalogueOps, growTree, ORGANIZATION, organizationOps } from '../tree.ts'

/** Memory that the index takes, all in, once what it was made from is gone. */
export interface Memory {
  bytesPerResource: number
  /** What the index itself says of its size. */
  estimatedPerResource: number
}

const { resources } = settings<{ resources: number }>()

function bytesUsed(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const snapshot = createSnapshot()
snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogueOps() })
const load = () =>
  snapshot.load({ organization: ORGANIZATION, revision: 1, ops: organizationOps(growTree(resources)) })
const before = bytesUsed()
load()
const after = bytesUsed()
serve({
  bytesPerResource: (after - before) / resources,
  estimatedPerResource: snapshot.bytesOf(ORGANIZATION) / resources,
} satisfies Memory)
