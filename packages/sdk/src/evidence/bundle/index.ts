/** Hides how an evidence bundle is written, read and held against public keys. */
export { compareWithClaims } from './compare.ts'
export { cosignedBy } from './conclude.ts'
export { ERASED } from './erasures.ts'
export { claimsOfKeys, followedBy, forkedKeys } from './followed.ts'
export {
  type BundleAbout,
  type BundleEntry,
  bundleHead,
  consistencyLine,
  endLine,
  endText,
  entryLine,
} from './format.ts'
export type { BundleReport, Claim, Finding, FindingKind, FollowedKey, MissingRecords } from './report.ts'
export { type BundleVerifier, createBundleVerifier, type VerifyTerms } from './verify.ts'
