import type { KeyObject } from 'node:crypto'
import type { Checkpoint } from '../checkpoint.ts'
import type { KeyStatement } from '../key-statement.ts'
import type { openNote } from '../note.ts'
import type { Trust } from '../trust.ts'
import { createCounterCheck } from './counters.ts'
import type { CheckedEntry } from './entry-check.ts'
import { createErasureCheck } from './erasures.ts'
import type { BundleAbout } from './format.ts'
import { createLeaves, type Leaves } from './leaves.ts'
import { type Claim, type Finding, type FindingKind, MOST_FINDINGS } from './report.ts'
import type { ShipmentEntry } from './shipments.ts'
import { createVouching, type Vouching } from './vouching.ts'

/** A signed checkpoint of the bundle. */
export interface OpenedCheckpoint extends Checkpoint {
  signed: ReturnType<typeof openNote>['signed']
}

/** What was read of a bundle so far. */
export interface Reading {
  about: BundleAbout | null
  /** What is trusted, and what that leads to by the statements that were read so far. */
  trust: Trust
  statements: KeyStatement[]
  points: Map<string, KeyObject>
  checkpoints: OpenedCheckpoint[]
  consistent: { from: number; size: number; proof: Buffer[] }[]
  leaves: Leaves
  /** Entries of a bundle that is not whole, to be checked against the newest checkpoint. */
  proven: { entry: CheckedEntry; proof: Buffer[] }[]
  shipments: ShipmentEntry[]
  vouching: Vouching
  /** Places of pruned entries, any of which may have been a shipment. */
  prunedAt: number[]
  /** Of the log of heads: what it says of others. */
  heads: Claim[]
  counters: ReturnType<typeof createCounterCheck>
  erasures: ReturnType<typeof createErasureCheck>
  entries: number
  highest: number
  isEnded: boolean
  findings: Finding[]
}

export function newReading(trust: Trust): Reading {
  return {
    ...{ trust, statements: [] },
    ...{ about: null, points: new Map(), checkpoints: [], consistent: [], leaves: createLeaves() },
    ...{
      proven: [],
      shipments: [],
      vouching: createVouching(),
      prunedAt: [],
      heads: [],
      counters: createCounterCheck(),
      erasures: createErasureCheck(),
    },
    ...{ entries: 0, highest: -1, isEnded: false, findings: [] },
  }
}

/** Notes something that does not hold. One cause may be met on many lines, and is said once. */
export function note(
  { findings }: Pick<Reading, 'findings'>,
  kind: FindingKind,
  at: { first: number; last: number; id?: string | null } | null,
  sentence: string,
): void {
  if (findings.length >= MOST_FINDINGS) return
  const { first = null, last = null, id = null } = at ?? {}
  if (findings.some(each => each.first === first && each.kind === kind && each.sentence === sentence)) return
  findings.push({ kind, first, last, id, sentence })
}
