import { type CallRecord, canonicalJson, partRecord } from '../core/index.ts'
import { commitTo, newCommitmentKey } from '../evidence/index.ts'
import type { Spool } from './spool/index.ts'

/** One record of an organization, which is put together when it is its turn; what it is made of does not change until then. */
export interface PendingRecord {
  organization: string | null
  record(): CallRecord
}

/** Takes what an enforcement point has to record. */
export interface Recorder {
  /** Resolves once the record is durable; rejects with `audit.unavailable` when it is not. */
  append(pending: PendingRecord): Promise<void>
  /** Takes a record that nobody waits for. */
  note(pending: PendingRecord): void
}

/**
 * Writes records into a spool as they will be proved: the leaf in its canonical form, and beside it what the leaf only
 * commits to, with the key of the commitment. They are numbered within each organization.
 */
export function createRecorder(spool: Pick<Spool, 'append' | 'note'>): Recorder {
  return {
    append: ({ organization, record }) => spool.append(() => toLine(record()), organization ?? ''),
    note: ({ organization, record }) => spool.note(() => toLine(record()), organization ?? ''),
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
