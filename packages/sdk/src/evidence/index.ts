/**
 * Hides how records are made provable: what is hashed, what is committed to, what is signed, how a log of them is a tree
 * whose every state can be proved, and how all of it is checked by whoever has the public keys.
 */
export * from './bundle/index.ts'
export { type Checkpoint, checkpointText, parseCheckpoint } from './checkpoint.ts'
export { commitTo, newCommitmentKey } from './commitment.ts'
export { leafHash, sha256 } from './hash.ts'
export {
  type KeyStatement,
  readKeyStatement,
  signKeyStatement,
  statementLine,
} from './key-statement.ts'
export * from './merkle.ts'
export {
  createNoteSigner,
  createNoteVerifier,
  type NoteKeyKind,
  type NoteSigner,
  type NoteVerifier,
  newNoteSeed,
  type OpenedNote,
  openNote,
  parseVkey,
  partNote,
  publicKeyOf,
  signatureLine,
  signNote,
} from './note.ts'
export { checkReceipt, parseReceipt, type Receipt, writeReceipt } from './receipt.ts'
export {
  type CheckedRecord,
  type CheckedShipment,
  checkShipment,
  pointKey,
  shipmentDigest,
  signShipment,
} from './shipment.ts'
export { parseTrust, type Trust } from './trust.ts'
