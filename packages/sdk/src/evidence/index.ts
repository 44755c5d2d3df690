/** Hides how records are made provable: what is hashed, what is committed to, what is signed, and how all of it is checked. */
export { commitTo, newCommitmentKey } from './commitment.ts'
export { leafHash, sha256 } from './hash.ts'
export {
  type CheckedRecord,
  type CheckedShipment,
  checkShipment,
  isSignedShipment,
  LONGEST_LEAF,
  pointKey,
  shipmentDigest,
  signShipment,
} from './shipment.ts'
