import { AppError } from '@valetkey/sdk/core'
import { sha256 } from '@valetkey/sdk/evidence'
import type { Store } from '../../store/index.ts'
import { countOfMoved } from '../outbox.ts'
import type { CheckpointMemory, Remembered } from './memory.ts'

/** Under this name the memory keeps how many changes were recorded; no log is called so. */
const CHANGES = 'changes'

/**
 * Finds facts that were restored from an older copy while the evidence was not: what was revoked since would act again.
 * They count their recorded changes, and the memory outside the database knows how many there were.
 */
export interface FactsWatch {
  remember(): Promise<void>
  /** Throws `audit.rolled_back` where the facts count less than before. */
  check(): Promise<void>
  /** How far the facts fell behind what was remembered; null where they did not. */
  loss(memory: CheckpointMemory): Promise<{ kept: number; recorded: number } | null>
}

export function createFactsWatch(store: Store, memory: CheckpointMemory): FactsWatch {
  async function loss(remembering: CheckpointMemory) {
    const { size: recorded } = remembering.get(CHANGES) ?? { size: 0 }
    const kept = await countOfMoved(store.db)
    return kept < recorded ? { kept, recorded } : null
  }
  return {
    loss,
    async remember() {
      const size = await countOfMoved(store.db)
      if (size <= (memory.get(CHANGES)?.size ?? 0)) return
      const entry: Remembered = { size, root: sha256(store.instanceId) }
      await memory.put([{ origin: CHANGES, ...entry }])
    },
    async check() {
      const lost = await loss(memory)
      if (lost)
        throw new AppError(
          'audit.rolled_back',
          `The database has ${lost.kept} recorded changes, and ${lost.recorded} were recorded: it was restored from an older copy, so what was revoked since would act again. Restore a newer one; or accept the loss as docs/evidence.md says.`,
        )
    },
  }
}
