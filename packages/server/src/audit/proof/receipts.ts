import { AppError } from '@valetkey/sdk/core'
import { parseCheckpoint, partNote, writeReceipt } from '@valetkey/sdk/evidence'
import type { Ledger, LogState } from '../ledger.ts'
import type { Logs } from '../log/logs.ts'

/** A proof that one record is in its log, in the form of C2SP tlog-proof, with the record itself beside it. */
export interface WrittenReceipt {
  id: string
  origin: string
  index: number
  size: number
  receipt: string
}

/** Writes a receipt for a record, by its id: of a call for its decision. What was just recorded must be signed already. */
export async function receiptFor(ledger: Ledger, logs: Logs, id: string): Promise<WrittenReceipt> {
  const [found] = await ledger.lookUp(id)
  if (!found) throw new AppError('not_found', 'No record with this id is there.')
  const log = (await logs.list()).find(each => each.id === found.log)
  const signed = log && noteOver(log, found.index)
  if (!signed) throw new AppError('audit.unavailable', 'The record is not signed yet. Try again in a moment.')
  const note = await logs.renewed(log, signed)
  const { size } = parseCheckpoint(partNote(note).text)
  const proof = await logs.trees.inclusion(log.id, found.index, size)
  const entry = 'leaf' in found.entry ? found.entry.leaf : ''
  const statements = logs.statements().map(each => ({ note: each }))
  return {
    ...{ id, origin: logs.originOf(log), index: found.index, size },
    receipt: writeReceipt({ index: found.index, proof, checkpoint: note, entry, statements }),
  }
}

/** A checkpoint that vouches for the entry; rather one that a witness has seen. */
function noteOver({ note, cosigned }: LogState, index: number): string | undefined {
  const over = [cosigned, note].filter(each => each !== null)
  return over.find(each => parseCheckpoint(partNote(each).text).size > index)
}
