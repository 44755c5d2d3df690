import { ENVIRONMENT_LOG, HEADS_LOG } from '../entry.ts'
import type { Ledger, LogState } from '../ledger.ts'

/** A log, and how far somebody has read it. */
export interface FollowedLog {
  id: number
  name: string
  generation: number
  /** What it is named in checkpoints and receipts. */
  origin: string
  /** Null for what concerns the catalogue and the environment. */
  organization: string | null
  entries: number
  position: number
}

/** Logs as they stand, unread: of one name in all generations, or all that records of calls and changes are in. */
export type Heads = (name?: string) => Promise<FollowedLog[]>

export function createHeads(
  ledger: Pick<Ledger, 'logs'>,
  originOf: (log: Pick<LogState, 'name' | 'generation'>) => string,
): Heads {
  return async name => {
    const logs = await ledger.logs(name === undefined ? undefined : [name])
    return logs
      .filter(log => log.name !== HEADS_LOG)
      .map(log => ({
        ...{ id: log.id, name: log.name, generation: log.generation, entries: log.entries },
        origin: originOf(log),
        organization: log.name === ENVIRONMENT_LOG ? null : log.name,
        position: 0,
      }))
  }
}

/** What a position is kept under: it outlives the numbers that a log has in one copy of the evidence. */
export function keyOfLog({ name, generation }: Pick<FollowedLog, 'name' | 'generation'>): string {
  return `${name}/${generation}`
}
