import type { JsonWebKey } from 'node:crypto'
import { AppError, type Shipment } from '@valetkey/sdk/core'
import { type CheckedShipment, checkShipment, pointKey } from '@valetkey/sdk/evidence'
import type { Session } from './session.ts'

/** Where records of calls go. Repeats are its matter: it knows a record by point, epoch and counter. */
export interface RecordSink {
  /** `epoch` is the point's present start; shipments may be left over from earlier ones. */
  ingest(point: string, epoch: number, shipments: readonly CheckedShipment[]): Promise<unknown>
}

/**
 * Refuses a batch that the point does not vouch for, or in which it speaks for another: for a start that it has not had
 * yet, or for another server's calls. Records of its earlier starts are its own, shipped late.
 */
export function requireOwnRecords(session: Session, shipments: readonly Shipment[]): CheckedShipment[] {
  const { point, epoch } = session
  const { id, name, url } = session.server
  const from = { point, epoch, key: pointKey(JSON.parse(session.publicJwk) as JsonWebKey) }
  const checked = shipments.map(shipment => checkShipment(shipment, from))
  for (const { records } of checked)
    for (const { record } of records)
      if (record.type === 'attempt' && ![id, name, url].includes(record.server))
        throw new AppError('point.forged', `A record names another MCP server than ${name}.`)
  return checked
}
