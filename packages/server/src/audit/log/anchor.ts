import { AppError, newId } from '@valetkey/sdk/core'
import { parseCheckpoint, partNote } from '@valetkey/sdk/evidence'
import { type Entry, HEADS_LOG, KIND, leafOf } from '../entry.ts'
import type { Ledger, LogState } from '../ledger.ts'
import { keyOf } from '../record-key.ts'
import type { Sealer } from './sealer.ts'
import type { Trees } from './trees.ts'
import type { WitnessClient } from './witness-client.ts'

export interface AnchorOptions {
  ledger: Ledger
  sealer: Sealer
  trees: Trees
  witnesses: readonly WitnessClient[]
  now(): number
  onError(error: unknown): void
}

/**
 * Makes what was signed hard to take back: notes the heads of all logs that moved in a log of their own, and shows the
 * checkpoints to the witnesses, whose signatures are kept beside ours.
 */
export function createAnchor(options: AnchorOptions): () => Promise<void> {
  const { ledger, sealer, now } = options
  /** By log, the size that was anchored last, as far as this process knows. */
  const anchored = new Map<number, number>()

  return async () => {
    await sealer.seal()
    const moved = (await ledger.logs()).filter(
      log => log.note !== null && log.size > (anchored.get(log.id) ?? -1),
    )
    const others = moved.filter(({ name }) => name !== HEADS_LOG)
    if (others.length > 0) {
      await ledger.append(headEntries(others, now()))
      await sealer.seal()
    }
    const heads = (await ledger.logs()).filter(
      ({ name, note, id, size }) => name === HEADS_LOG && note !== null && size > (anchored.get(id) ?? -1),
    )
    for (const log of [...others, ...heads]) {
      await anchorOne(options, log)
      anchored.set(log.id, log.size)
    }
  }
}

async function anchorOne(
  { ledger, sealer, trees, witnesses, onError }: AnchorOptions,
  log: LogState,
): Promise<void> {
  if (log.note === null) return
  const note = await sealer.renewed(log, log.note)
  // The note may be of an earlier size than the tree: another node is about to sign that.
  const { size } = parseCheckpoint(partNote(note).text)
  let cosigned = note
  let isCosigned = false
  for (const witness of witnesses) {
    try {
      const prove = (from: number) => trees.consistency(log.id, from, size)
      cosigned += await witness.cosign({
        ...{ origin: sealer.originOf(log), size, note, prove },
        known: cosignedBy(witness.name, log.cosigned),
      })
      isCosigned = true
    } catch (error) {
      // A witness that is away is no reason to stop; one that has seen more than there is, is.
      if (error instanceof AppError && error.code === 'audit.rolled_back') throw error
      onError(error)
    }
  }
  await ledger.keepNotes([{ log: log.id, size, note: cosigned, isAnchor: true, isCosigned }])
}

/** How many entries the witness has cosigned, as far as its newest signature here tells. */
function cosignedBy(witness: string, cosigned: string | null): number {
  if (cosigned === null) return 0
  const { text, signatures } = partNote(cosigned)
  return signatures.some(({ name }) => name === witness) ? parseCheckpoint(text).size : 0
}

const MOST_HEADS = 400

/** The heads of logs as entries, so many to one that it fits into a tile. */
function headEntries(logs: readonly LogState[], now: number): Entry[] {
  const heads = logs.map(({ name, generation, size, root }) => [
    name,
    generation,
    size,
    root.toString('base64'),
  ])
  return Array.from({ length: Math.ceil(heads.length / MOST_HEADS) }, (_, i) => {
    const id = newId('event', now)
    const at = new Date(now).toISOString()
    const record = { v: 1, type: 'heads', id, at, heads: heads.slice(i * MOST_HEADS, (i + 1) * MOST_HEADS) }
    return {
      ...{ log: HEADS_LOG, kind: KIND.heads, id, key: keyOf(id).bytes, isOdd: false, at: now },
      ...{ ...leafOf(record), data: null, dataKey: null, names: {} },
      ...{ verdict: null, passed: null, took: null, terms: [] },
    }
  })
}
