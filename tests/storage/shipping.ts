import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { type CallRecord, canonicalJson, partRecord, type Shipment, type Writer } from '@valetkey/sdk/core'
import {
  type CheckedShipment,
  checkShipment,
  commitTo,
  leafHash,
  sha256,
  shipmentDigest,
  signShipment,
} from '@valetkey/sdk/evidence'
import type { Audit, Ingested } from '../../packages/server/src/audit/index.ts'

/** The same in every process of a test. */
const JWK = {
  kty: 'EC',
  crv: 'P-256',
  x: 'NNSnY_mze8MgLNqu-waID4PVO4mthOW_Yb6_3ZFqAiE',
  y: 'k5Bxy2rZh_Pa1QFh4wb0GahQlM69k2eENytrHKhJUnQ',
  d: '6siQ9MRBDSvt-AOKYC3W7j9swHn9qW09tsu9i9Z1Qk8',
}
const PRIVATE_KEY = createPrivateKey({ key: JWK, format: 'jwk' })
const PUBLIC_KEY = createPublicKey(PRIVATE_KEY)

/** The public key that all points of the samples share. */
export const POINT_JWK = JSON.stringify(PUBLIC_KEY.export({ format: 'jwk' }))

/** Records as a point ships them: parted, in the order of their numbers, each organization's under a signature. */
export function toShipments(point: string, key: KeyObject, records: readonly CallRecord[]): Shipment[] {
  const lanes: { organization: string | null; epoch: number; records: CallRecord[] }[] = []
  for (const record of records) {
    const { organization, writer } = record
    const { epoch = 1, counter = 0 } = writer ?? {}
    // A point ships in order; where a test does not, what goes back begins a shipment of its own.
    const open = lanes.findLast(lane => lane.organization === organization && lane.epoch === epoch)
    const last = open?.records.at(-1)?.writer?.counter ?? Number.POSITIVE_INFINITY
    if (open && counter > last) open.records.push(record)
    else lanes.push({ organization, epoch, records: [record] })
  }
  return lanes.map(lane => toShipment(point, key, lane))
}

function toShipment(
  point: string,
  key: KeyObject,
  lane: { organization: string | null; epoch: number; records: CallRecord[] },
): Shipment {
  const { organization, epoch } = lane
  const records = lane.records.map(record => {
    const { leaf, data } = partRecord({ ...record, writer: { ...(record.writer as Writer), point } })
    if (data === null) return { leaf, data, key: null }
    // What is shipped again is the same, as from a spool: so the key rests on the record.
    const commitmentKey = sha256(canonicalJson(record)).toString('base64url', 0, 16)
    const text = canonicalJson(data)
    return { leaf: { ...leaf, commitment: commitTo(text, commitmentKey) }, data: text, key: commitmentKey }
  })
  const counters = lane.records.map(record => record.writer?.counter ?? 0)
  const digest = shipmentDigest(records.map(({ leaf }) => leafHash(canonicalJson(leaf))))
  const [first = 0] = counters
  const last = counters.at(-1) ?? 0
  const terms = { point, epoch, organization, first, last, count: records.length, digest }
  return { organization, epoch, records, signature: signShipment(terms, key) }
}

/** What the feed would hand on. */
export function checkedShipments(
  point: string,
  epoch: number,
  records: readonly CallRecord[],
): CheckedShipment[] {
  const from = { point, epoch, key: PUBLIC_KEY }
  return toShipments(point, PRIVATE_KEY, records).map(shipment => checkShipment(shipment, from))
}

/** Ships records as the present start `epoch` of a point. */
export async function ship(
  audit: Pick<Audit, 'ingest'>,
  point: string,
  epoch: number,
  records: readonly CallRecord[],
): Promise<Ingested> {
  return audit.ingest(point, epoch, checkedShipments(point, epoch, records))
}
