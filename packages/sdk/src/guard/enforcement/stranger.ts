import { type AttemptRecord, isoTime, newId } from '../../core/index.ts'
import { whoIs } from './call-record.ts'
import { modeOf } from './observe.ts'
import type { StrangerLog } from './point.ts'

const MOST_A_SECOND = 20

/**
 * Records calls of who cannot be told: no token, one that is not valid, or one that is somebody else's. Anyone can make
 * any number of them, so a second's worth is bounded and nobody waits for the disk; the counters count all.
 */
export function createStrangerLog(): StrangerLog {
  let second = 0
  let written = 0
  return (point, message, { reason, detail, caller }) => {
    const { server, metrics, clock, replica, spool } = point
    const mode = modeOf(point)
    metrics.decided({ verdict: 'deny', reason, server: server.name, mode })
    const now = clock.now()
    if (Math.floor(now / 1000) !== second) {
      second = Math.floor(now / 1000)
      written = 0
    }
    if (written++ >= MOST_A_SECOND) return
    const revision = caller && replica.snapshot.revisionOf(caller.organization)
    const name = message?.params['name'] ?? message?.params['uri']
    const record: AttemptRecord = {
      v: 1,
      type: 'attempt',
      id: newId('decision', now),
      at: isoTime(now),
      ...whoIs(point, caller),
      scopes: [],
      server: server.id,
      method: (message?.method ?? '').slice(0, 100),
      kind: null,
      tool: typeof name === 'string' ? name.slice(0, 200) : null,
      definition: null,
      permission: null,
      // What a stranger sends is not kept: it would be a way to write into the record.
      arguments: null,
      resource: null,
      decision: 'deny',
      reason,
      detail,
      legs: null,
      enforced: true,
      mode,
      assignments: [],
      revision: {
        catalogue: replica.snapshot.catalogue.revision,
        organization: revision ?? -1,
      },
      trace: null,
    }
    spool.note({ organization: record.organization, record: () => record })
  }
}
