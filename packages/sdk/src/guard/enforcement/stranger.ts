import { type AttemptRecord, isoTime, newId } from '../../core/index.ts'
import { seatOf } from '../../engine/index.ts'
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
    metrics.decided({ verdict: 'deny', reason, server: server.name, mode: 'enforce' })
    const now = clock.now()
    if (Math.floor(now / 1000) !== second) {
      second = Math.floor(now / 1000)
      written = 0
    }
    if (written++ >= MOST_A_SECOND) return
    const organization = caller && replica.snapshot.organization(caller.organization)
    const seat = caller && organization && seatOf(organization, caller.agent)
    const name = message?.params['name'] ?? message?.params['uri']
    const record: AttemptRecord = {
      v: 1,
      type: 'attempt',
      id: newId('decision', now),
      at: isoTime(now),
      organization: caller?.organization ?? null,
      agent: caller?.agent ?? null,
      agentName: seat?.principal.name ?? null,
      credential: caller?.credential ?? null,
      client: caller?.client ?? null,
      owner: seat?.agent.owner ?? null,
      person: caller?.person ?? null,
      grant: caller?.grant ?? null,
      chain: [...(caller?.chain ?? [])],
      token: caller?.token ?? null,
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
      enforced: true,
      mode: 'enforce',
      assignments: [],
      revision: {
        catalogue: replica.snapshot.catalogue.revision,
        organization: organization?.revision ?? -1,
      },
      trace: null,
    }
    spool.note(record)
  }
}
