import { AppError } from '@valetkey/sdk/core'
import type { LogState } from '../ledger.ts'
import type { CheckpointMemory, Remembered } from './memory.ts'
import type { Trees } from './trees.ts'

/** Holds a log against what was signed of it before: there must never be two histories under one name. */
export function createContinuation(parts: {
  memory: Pick<CheckpointMemory, 'get'>
  trees: Pick<Trees, 'rootAt'>
  originOf(log: Pick<LogState, 'name' | 'generation'>): string
}) {
  const { memory, trees, originOf } = parts

  async function isContinued(log: LogState, { size, root }: Remembered): Promise<boolean> {
    return log.size >= size && (await trees.rootAt(log.id, size)).equals(root)
  }

  /** The tree that was signed before must be where this one began. */
  async function requireContinuation(log: LogState, from: number): Promise<void> {
    const before = memory.get(originOf(log))
    // Where this node itself grew it from what it remembers, the root need not be computed again.
    if (!before || (from === before.size && from !== log.size)) return
    if (from < before.size || !(await isContinued(log, before)))
      throw rolledBack(originOf(log), log.size, before.size)
  }

  return { isContinued, requireContinuation }
}

export function rolledBack(origin: string, size: number, signed: number): AppError {
  return new AppError(
    'audit.rolled_back',
    `The log ${origin} has ${size} entries that can be proved, and a tree of ${signed} others was signed: the evidence was restored from an older copy, or changed. Restore a newer one; or accept the loss as docs/evidence.md says.`,
  )
}
