import type { KeyStatement } from '../key-statement.ts'
import type { BundleAbout } from './format.ts'

/**
 * What can be wrong with evidence.
 * - `changed`: a record is not what the log holds; `dropped`: it is not there; `reordered`: it stands in another place.
 * - `cut`: a checkpoint vouches for more than there is. `forked`: two checkpoints vouch for different histories.
 * - `altered`: the tree is another one than was signed, in a range of entries that nothing narrows further.
 * - `forged`: a point did not sign what is said to be its. `withheld`: what a record commits to is gone, and no erasure
 *   is on record.
 * - `unsigned`: nothing that is trusted vouches for it. `malformed`: it has no form that is known.
 */
export type FindingKind =
  | 'changed'
  | 'dropped'
  | 'reordered'
  | 'cut'
  | 'forked'
  | 'altered'
  | 'forged'
  | 'withheld'
  | 'unsigned'
  | 'malformed'

/** One thing that does not hold, and where. */
export interface Finding {
  kind: FindingKind
  /** The entries that it is about; null where it is about none. */
  first: number | null
  last: number | null
  /** Of the record, if it is one. */
  id: string | null
  sentence: string
}

/** A checkpoint whose signature holds, or that another log vouches for. */
export interface Claim {
  origin: string
  size: number
  root: Buffer
  /** Whose word it is, for a sentence. */
  by: string
}

/** Numbers that an enforcement point gave to records that are not in the log, both ends included. */
export interface MissingRecords {
  point: string
  epoch: number
  /** The number that a record names as the one before it. */
  counter: number
}

/** That one key of a log follows another, by the word of that other one. */
export interface FollowedKey {
  /** As `trust` names keys: for all logs below a name. */
  key: string
  follows: string
}

/** What a verifier found out about a bundle. */
export interface BundleReport {
  about: BundleAbout | null
  entries: number
  /** The newest checkpoint that holds. */
  checkpoint: { size: number; root: string; keys: string[]; cosigned: { name: string; at: string }[] } | null
  /** Keys of the log that are trusted because one before them vouches for them. */
  followed: FollowedKey[]
  /** All that it says of keys of the log; by itself none of it counts. */
  statements: readonly KeyStatement[]
  findings: Finding[]
  /** Not a fault of the log: what never arrived, as far as the numbers of the enforcement points tell. */
  missing: MissingRecords[]
  /** Records whose arguments were erased, and records of which only the hash was kept. */
  erased: number
  pruned: number
  /** Shipments of enforcement points whose signature was checked. */
  shipments: number
  /** Checkpoints for comparison with others of the same log. */
  claims: Claim[]
  /** The roots that the log had at these sizes, as far as the bundle can tell. */
  rootsAt(sizes: readonly number[]): Map<number, Buffer>
}

/** At most so many findings are named one by one. */
export const MOST_FINDINGS = 1_000
