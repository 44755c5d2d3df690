import { type CallRecord, canonicalJson, partRecord } from '../core/index.ts'
import { commitTo, newCommitmentKey } from '../evidence/index.ts'
import type { Spool } from './spool/index.ts'

/** Takes what an enforcement point has to record. */
export interface Recorder {
  /** Resolves once the record is durable; rejects with `audit.unavailable` when it is not. */
  append(record: CallRecord): Promise<void>
  /** Takes a record that nobody waits for. */
  note(record: CallRecord): void
}

/**
 * Writes records into a spool as they will be proved: the leaf in its canonical form, and beside it what the leaf only
 * commits to, with the key of the commitment. They are numbered within each organization.
 */
export function createRecorder(spool: Pick<Spool, 'append' | 'note'>): Recorder {
  return {
    append: record => spool.append(() => toLine(record), record.organization ?? ''),
    note: record => spool.note(() => toLine(record), record.organization ?? ''),
  }
}

/** The leaf goes as so many bytes, so that it need not be parsed and written again before it is shipped. */
function toLine(record: CallRecord): string {
  const { leaf, data } = partRecord(record)
  const organization = JSON.stringify(record.organization)
  if (data === null) {
    const text = canonicalJson(leaf)
    return `{"organization":${organization},"length":${Buffer.byteLength(text)},"leaf":${text}}`
  }
  const dataText = canonicalJson(data)
  const key = newCommitmentKey()
  leaf['commitment'] = commitTo(dataText, key)
  const text = canonicalJson(leaf)
  return `{"organization":${organization},"length":${Buffer.byteLength(text)},"leaf":${text},"data":${JSON.stringify(dataText)},"key":"${key}"}`
}
