import { AppError, type CallRecord } from '@valetkey/sdk/core'
import type { Session } from './session.ts'

/** Where records of calls go. Repeats are its matter: it knows a record by point, epoch and counter. */
export interface RecordSink {
  ingest(point: string, epoch: number, records: readonly CallRecord[]): Promise<unknown>
}

/**
 * Refuses a batch in which a point speaks for another: for a start that it has not had yet, or for another server's
 * calls. Records of its earlier starts are its own, shipped late.
 */
export function requireOwnRecords(session: Session, records: readonly CallRecord[]): void {
  const { id, name, url } = session.server
  for (const record of records) {
    const epoch = record.epoch ?? session.epoch
    if (epoch < 1 || epoch > session.epoch)
      throw new AppError('point.forged', `Start ${epoch} of this enforcement point has not happened.`)
    if (record.type === 'attempt' && ![id, name, url].includes(record.server))
      throw new AppError('point.forged', `A record names another MCP server than ${name}.`)
  }
}
