import { createPublicKey, type JsonWebKeyInput, type KeyObject, sign, verify } from 'node:crypto'
import {
  AppError,
  CallRecord,
  canonicalJson,
  type JsonObject,
  joinRecord,
  type Shipment,
  type ShipmentTerms,
  type ShippedRecord,
  shipmentText,
  type Writer,
} from '../core/index.ts'
import { commitTo } from './commitment.ts'
import { leafHash, sha256 } from './hash.ts'

/** A record that is what its point vouched for, in the form in which it is kept. */
export interface CheckedRecord {
  record: CallRecord
  writer: Writer
  /** The canonical text of the leaf, and its hash. */
  leaf: string
  hash: Buffer
  /** The text of what the leaf commits to, and the key. */
  data: string | null
  key: string | null
}

/** A shipment whose signature and commitments hold. */
export interface CheckedShipment {
  terms: ShipmentTerms
  signature: string
  records: CheckedRecord[]
}

/** The most that an entry of a log may hold (C2SP tlog-tiles: a length of 16 bits). */
export const LONGEST_LEAF = 65_535
/** More records than any point makes; keeps sums of what is missing exact. */
const MOST_RECORDS = 1e12

/** SHA-256 over the leaf hashes of a shipment, in the order of its counters; base64url. */
export function shipmentDigest(leafHashes: readonly Uint8Array[]): string {
  return sha256(Buffer.concat(leafHashes)).toString('base64url')
}

/** Signs a shipment with the key of an enforcement point (ES256 or Ed25519); base64url. */
export function signShipment(terms: ShipmentTerms, key: KeyObject): string {
  const text = Buffer.from(shipmentText(terms))
  return sign(digestFor(key), text, { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}

/** Whether the point whose public key this is vouches for the shipment. */
export function isSignedShipment(terms: ShipmentTerms, signature: string, key: KeyObject): boolean {
  const text = Buffer.from(shipmentText(terms))
  const bytes = Buffer.from(signature, 'base64url')
  return verify(digestFor(key), text, { key, dsaEncoding: 'ieee-p1363' }, bytes)
}

/** The public key of an enforcement point, as it registered it. */
export function pointKey(jwk: JsonWebKeyInput['key']): KeyObject {
  return createPublicKey({ key: jwk, format: 'jwk' })
}

function digestFor(key: KeyObject): 'sha256' | null {
  return key.asymmetricKeyType === 'ec' ? 'sha256' : null
}

/**
 * Checks a shipment as it came: that each record has its form and its number, that what is kept beside a leaf is what
 * the leaf commits to, and that this start of this point vouches for all of it. `point.forged` where it does not.
 */
export function checkShipment(
  shipment: Shipment,
  from: { point: string; epoch: number; key: KeyObject },
): CheckedShipment {
  const { organization, epoch, signature } = shipment
  if (epoch < 1 || epoch > from.epoch)
    throw new AppError('point.forged', `Start ${epoch} of this enforcement point has not happened.`)
  const records = shipment.records.map(checkRecord)
  let last = 0
  for (const { record, writer } of records) {
    if (writer.point !== from.point || writer.epoch !== epoch || record.organization !== organization)
      throw new AppError(
        'point.forged',
        'A record is not of the point, start and organization of its shipment.',
      )
    if (writer.counter <= last || writer.counter > MOST_RECORDS || writer.previous >= writer.counter)
      throw invalid('A record has no number in the order of its shipment.')
    last = writer.counter
  }
  const terms: ShipmentTerms = {
    ...{ point: from.point, epoch, organization, last, count: records.length },
    first: records[0]?.writer.counter ?? 0,
    digest: shipmentDigest(records.map(({ hash }) => hash)),
  }
  if (!isSignedShipment(terms, signature, from.key))
    throw new AppError('point.forged', 'The shipment is not signed by the key of this enforcement point.')
  return { terms, signature, records }
}

function checkRecord({ leaf, data, key }: ShippedRecord): CheckedRecord {
  const parsed = CallRecord.safeParse(joinRecord({ leaf, data: readData(data) }))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw invalid(`A record has no form that is known: ${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { id, writer } = parsed.data
  if (!writer) throw invalid('A record has no number.')
  if (!/^[\x21-\x7e]{1,200}$/.test(id)) throw invalid('A record has an unusable id.')
  const leafText = canonicalJson(leaf)
  if (Buffer.byteLength(leafText) > LONGEST_LEAF) throw invalid('A record is longer than an entry of a log.')
  if (!isCommittedTo(leaf['commitment'], data, key))
    throw new AppError('point.forged', 'A record does not commit to what came with it.')
  return { record: parsed.data, writer, leaf: leafText, hash: leafHash(leafText), data, key }
}

/** One line of JSON, as the text is kept and written out. */
function readData(text: string | null): JsonObject | null {
  if (text === null) return null
  const data = /[^ -\u{10ffff}]/u.test(text) ? undefined : parseJson(text)
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw invalid('What comes with a record is no JSON object in one line.')
  return data as JsonObject
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isCommittedTo(commitment: unknown, data: string | null, key: string | null): boolean {
  if (data === null || key === null) return data === key && commitment === undefined
  return /^[\w-]{22}$/.test(key) && commitTo(data, key) === commitment
}

function invalid(message: string): AppError {
  return new AppError('request.invalid', message)
}
