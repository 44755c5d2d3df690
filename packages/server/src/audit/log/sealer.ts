import { checkpointText, parseCheckpoint, partNote, signatureLine, signNote } from '@valetkey/sdk/evidence'
import type { Ledger, LogState } from '../ledger.ts'
import { createContinuation, rolledBack } from './continuation.ts'
import type { LogKeys } from './keys.ts'
import type { CheckpointMemory, Remembered } from './memory.ts'
import type { Trees } from './trees.ts'

export interface SealerOptions {
  ledger: Ledger
  trees: Trees
  memory: CheckpointMemory
  keys(): LogKeys
  /** What all logs of this environment are named below: an address without a scheme. */
  origin: string
}

/** Takes entries into the trees and signs the trees, in this order and with a commit between the two. */
export interface Sealer {
  /** Signs whatever has grown. Gives the logs that have a new checkpoint. */
  seal(): Promise<LogState[]>
  /** Compares every log with what was signed before. Throws `audit.rolled_back` where the evidence fell behind that. */
  check(): Promise<void>
  /** Whether a log still holds a tree that was signed. */
  isContinued(log: LogState, signed: Remembered): Promise<boolean>
  /**
   * A checkpoint under the keys of today, with what witnesses have put under it: it may be from before a rotation, where
   * nothing has grown since.
   */
  renewed(log: LogState, note: string): Promise<string>
  originOf(log: Pick<LogState, 'name' | 'generation'>): string
}

export function createSealer({ ledger, trees, memory, keys, origin }: SealerOptions): Sealer {
  function originOf({ name, generation }: Pick<LogState, 'name' | 'generation'>): string {
    return `${origin}/${name}${generation === 1 ? '' : `/${generation}`}`
  }

  const { requireContinuation, isContinued } = createContinuation({ memory, trees, originOf })

  async function sign(logs: readonly LogState[]): Promise<LogState[]> {
    if (logs.length === 0) return []
    const signed = logs.map(log => {
      const text = checkpointText({ origin: originOf(log), size: log.size, root: log.root })
      return { ...log, note: signNote(text, keys().signers(originOf(log))) }
    })
    // First where it cannot be forgotten, then where it can be read.
    await memory.put(signed.map(log => ({ origin: originOf(log), size: log.size, root: log.root })))
    await ledger.keepNotes(
      signed.map(({ id, size, note }) => ({ log: id, size, note, isAnchor: false, isCosigned: false })),
    )
    return signed
  }

  async function renewed(log: LogState, note: string): Promise<string> {
    const signers = keys().signers(originOf(log))
    const [present] = signers
    const { text, signatures } = partNote(note)
    if (present && signatures.some(({ name, id }) => name === present.name && id.equals(present.id)))
      return note
    // Not because it stands in the database: because it is the tree.
    const { size } = parseCheckpoint(text)
    const root = size > log.size ? undefined : await trees.rootAt(log.id, size)
    if (!root || text !== checkpointText({ origin: originOf(log), size, root }))
      throw rolledBack(originOf(log), log.size, size)
    const others = signatures.filter(({ name }) => name !== originOf(log))
    return signNote(text, signers) + others.map(each => signatureLine(each, each.signature)).join('')
  }

  /** What was grown and not signed before is signed with it: the disk had filled, or a node died in between. */
  async function seal(): Promise<LogState[]> {
    const grown = new Map<number, number>()
    for (const { log, from } of await ledger.grow()) {
      await requireContinuation(log, from)
      grown.set(log.id, log.size)
    }
    const unsigned = await ledger.unsigned()
    for (const log of unsigned) if (grown.get(log.id) !== log.size) await requireContinuation(log, log.size)
    return sign(unsigned)
  }

  let last: Promise<unknown> = Promise.resolve()

  return {
    originOf,
    isContinued,
    renewed,
    seal() {
      const next = last.then(seal)
      last = next.catch(() => undefined)
      return next
    },
    async check() {
      const logs = await ledger.logs()
      const newest = new Map(logs.map(log => [log.name, log.generation]))
      for (const log of logs)
        if (log.generation === newest.get(log.name)) await requireContinuation(log, log.size)
      for (const [known, { size }] of memory.all())
        if (!logs.some(log => originOf(log) === known) && size > 0 && isOurs(known))
          throw rolledBack(known, 0, size)
      // What a crash left unsigned is signed now: it was committed, so it is what it is.
      await sign(await ledger.unsigned())
    },
  }

  function isOurs(known: string): boolean {
    return known.startsWith(`${origin}/`)
  }
}
