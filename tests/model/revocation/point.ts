/**
 * One enforcement point and what the database knows of it, as far as a revocation goes: the protocol of `feed/lease.ts`,
 * `feed/registration.ts`, `feed/hold.ts` and `guard/replica`, with one organization, revision 0 before the revocation
 * and 1 after it. Times are what is left or gone by, in ticks, so that there are finitely many.
 */
export interface PointState {
  isUp: boolean
  /** What the replica holds; null before the snapshot is there. */
  revision: Revision | null
  /** A snapshot that was read from the database and is on its way. */
  snapshot: Revision | null
  /** The newest head that a renewal has named. */
  known: Revision
  /** What is left of the lease, as the point counts it. */
  lease: number
  renewal: Renewal | null
  /** A call was decided on revision 0, and is being written down. */
  isDeciding: boolean
  /** An earlier start that was fenced and goes on: it was stopped for a while, not killed. */
  earlier: Pick<PointState, 'lease' | 'renewal' | 'isDeciding'> | null
  /** In the database: what it has acknowledged (null: it does not hold the organization), its lease, that of fenced starts. */
  row: { acknowledged: Revision | null; lease: number; fenced: number }
}

type Revision = 0 | 1

/** A renewal under way: sent, its lease committed, the heads read. What is sent and lost is the same as no answer. */
interface Renewal {
  stage: 'sent' | 'committed' | 'read'
  /** Ticks since it was sent. */
  age: number
  /** What it acknowledges, then what it answers: null where the organization is not held. */
  revision: Revision | null
}

/** What the protocol rests on; each can be left out, to see that it is needed. */
export interface Rules {
  /** The longest a lease lasts, in ticks. */
  leaseTicks: number
  /**
   * What a point can do but follow, renew and decide, the more the fewer there are: start anew, and load its
   * facts in one step; or start anew while the earlier start goes on, and load in all the steps that there are.
   */
  detail: 'starts' | 'all'
  /** A call is released only within the lease. */
  needsLease: boolean
  /** The lease counts from when it was asked for, not from when the answer came. */
  countsFromAsking: boolean
  /** The renewal commits the lease before it reads the heads. */
  commitsFirst: boolean
  /** The lease holds only once the heads are applied. */
  appliesHeads: boolean
  /** Revision and lease are looked at again right before the release. */
  looksAgain: boolean
  /** What counts as acknowledged is what was applied, not what was named to the point. */
  acknowledgesApplied: boolean
  /** A barrier waits for what fenced starts may still decide. */
  waitsForFenced: boolean
  /** That a point holds an organization is noted before the facts are read. */
  notesHoldFirst: boolean
  /** The heads are those of the start that asked, or none. */
  tellsStartsApart: boolean
  /** A snapshot that is older than what a renewal named is read again. */
  refusesOldSnapshots: boolean
}

export const PROTOCOL: Omit<Rules, 'leaseTicks' | 'detail'> = {
  needsLease: true,
  countsFromAsking: true,
  commitsFirst: true,
  appliesHeads: true,
  looksAgain: true,
  acknowledgesApplied: true,
  waitsForFenced: true,
  notesHoldFirst: true,
  refusesOldSnapshots: true,
  tellsStartsApart: true,
}

const STOPPED = {
  ...{ revision: null, snapshot: null, known: 0 as const, lease: 0, renewal: null, isDeciding: false },
}

/** A point that runs, holds revision 0 and has a lease. */
export function runningPoint({ leaseTicks }: Rules): PointState {
  return {
    ...{ ...STOPPED, isUp: true, revision: 0, lease: leaseTicks, earlier: null },
    row: { acknowledged: 0, lease: leaseTicks, fenced: 0 },
  }
}

export interface Step {
  name: string
  to: PointState
  /** A call was let through that was decided on revision 0. */
  releasesOld?: true
}

/** Everything that can happen next at a point, while the organization is at this revision. */
export function* stepsOf(state: PointState, head: Revision, rules: Rules): Generator<Step> {
  yield* lifeSteps(state, rules)
  if (state.isUp) {
    yield* loadSteps(state, head, rules)
    yield* renewalSteps(state, head, rules)
    yield* callSteps(state, rules)
  }
  if (state.earlier) yield* earlierSteps(state, head, rules)
}

function* lifeSteps(state: PointState, { detail }: Rules): Generator<Step> {
  const { isUp, earlier, row } = state
  if (isUp) yield { name: 'crashes', to: { ...state, ...STOPPED, isUp: false } }
  if (isUp) yield { name: 'leaves', to: { ...state, ...STOPPED, isUp: false, row: { ...row, lease: 0 } } }
  const goesOn = isUp && state.revision === 0 && detail === 'all' && !earlier
  const left = { lease: state.lease, renewal: state.renewal, isDeciding: state.isDeciding }
  if (!isUp || goesOn)
    yield {
      name: 'starts anew',
      to: {
        ...{ ...STOPPED, isUp: true },
        earlier: goesOn
          ? { ...left, renewal: left.renewal?.stage === 'sent' ? null : left.renewal }
          : earlier,
        row: { acknowledged: null, lease: 0, fenced: Math.max(row.fenced, row.lease) },
      },
    }
}

function* loadSteps(state: PointState, head: Revision, rules: Rules): Generator<Step> {
  const { revision, snapshot, known, row } = state
  const held = { ...row, acknowledged: row.acknowledged ?? 0 }
  if (rules.detail !== 'all') {
    if (revision === null) yield { name: 'loads the snapshot', to: { ...state, revision: head, row: held } }
    if (revision === 0 && head === 1) yield { name: 'applies the change', to: { ...state, revision: 1 } }
    return
  }
  if (revision === null && row.acknowledged === null && rules.notesHoldFirst)
    yield { name: 'notes that it holds', to: { ...state, row: held } }
  if (revision === null && snapshot === null && (row.acknowledged !== null || !rules.notesHoldFirst))
    yield { name: 'reads the snapshot', to: { ...state, snapshot: head } }
  if (snapshot !== null) {
    yield { name: 'loses the snapshot', to: { ...state, snapshot: null } }
    const isOld = snapshot < known && rules.refusesOldSnapshots
    const after = { ...state, snapshot: null, row: rules.notesHoldFirst ? row : held }
    yield { name: 'loads the snapshot', to: isOld ? after : { ...after, revision: snapshot } }
  }
  if (revision === 0 && head === 1) yield { name: 'applies the change', to: { ...state, revision: 1 } }
}

function* renewalSteps(state: PointState, head: Revision, rules: Rules): Generator<Step> {
  const { renewal, revision, row } = state
  if (!renewal) {
    yield { name: 'asks', to: { ...state, renewal: { stage: 'sent', age: 0, revision } } }
    return
  }
  yield { name: 'loses the renewal', to: { ...state, renewal: null } }
  const acknowledged = renewal.revision ?? row.acknowledged
  const committed = { ...row, lease: rules.leaseTicks, acknowledged }
  const named = row.acknowledged === null ? null : head
  const confirmed = rules.acknowledgesApplied ? row : { ...row, acknowledged: named }
  if (rules.commitsFirst) {
    if (renewal.stage === 'sent')
      yield {
        name: 'commits the lease',
        to: { ...state, row: committed, renewal: { ...renewal, stage: 'committed', revision: null } },
      }
    if (renewal.stage === 'committed')
      yield {
        name: 'reads the heads',
        to: { ...state, row: confirmed, renewal: { ...renewal, stage: 'read', revision: named } },
      }
  } else if (renewal.stage === 'sent')
    yield {
      name: 'reads the heads',
      to: { ...state, renewal: { ...renewal, stage: 'committed', revision: named } },
    }
  else if (renewal.stage === 'committed')
    yield {
      name: 'commits the lease',
      to: { ...state, row: committed, renewal: { ...renewal, stage: 'read' } },
    }
  if (renewal.stage === 'read') yield* answerSteps(state, renewal, rules)
}

function* answerSteps(state: PointState, renewal: Renewal, rules: Rules): Generator<Step> {
  const { revision, known } = state
  const named = renewal.revision ?? 0
  // It waits for what is named to be applied; an organization that is still being loaded is looked at when it is there.
  if (rules.appliesHeads && revision !== null && revision < named) return
  const lease = leaseOf(renewal, rules)
  yield {
    name: 'has the lease',
    to: {
      ...{ ...state, renewal: null, lease },
      known: rules.detail !== 'all' || known > named ? known : named,
    },
  }
}

function leaseOf({ age }: Renewal, { leaseTicks, countsFromAsking }: Rules): number {
  return countsFromAsking ? Math.max(0, leaseTicks - age) : leaseTicks
}

function* callSteps(state: PointState, rules: Rules): Generator<Step> {
  const { revision, lease, isDeciding } = state
  const mayDecide = lease > 0 || !rules.needsLease
  if (revision === 0 && mayDecide && !isDeciding)
    yield { name: 'decides a call', to: { ...state, isDeciding: true } }
  if (!isDeciding) return
  const passes = !rules.looksAgain || (mayDecide && revision === 0)
  if (passes) yield { name: 'lets the call pass', to: { ...state, isDeciding: false }, releasesOld: true }
  else yield { name: 'decides again', to: { ...state, isDeciding: false } }
}

/** A fenced start hears nothing any more, but an answer that was on its way, and decides as long as its lease lasts. */
function* earlierSteps(state: PointState, head: Revision, rules: Rules): Generator<Step> {
  const { earlier, row } = state
  if (!earlier) return
  const { renewal, lease, isDeciding } = earlier
  const as = (change: Partial<typeof earlier>): PointState => ({
    ...state,
    earlier: { ...earlier, ...change },
  })
  yield { name: 'the earlier start ends', to: { ...state, earlier: null } }
  // The database says that it is not the present start any more: there is no answer for it.
  if (renewal?.stage === 'committed' && rules.commitsFirst && !rules.tellsStartsApart) {
    const named = row.acknowledged === null ? null : head
    const read: Renewal = { ...renewal, stage: 'read', revision: named }
    yield { name: 'the heads are read for the earlier start', to: as({ renewal: read }) }
  }
  if (renewal?.stage === 'read' && (renewal.revision ?? 0) === 0)
    yield {
      name: 'the earlier start has the lease',
      to: as({ renewal: null, lease: leaseOf(renewal, rules) }),
    }
  const mayDecide = lease > 0 || !rules.needsLease
  if (mayDecide && !isDeciding) yield { name: 'the earlier start decides', to: as({ isDeciding: true }) }
  if (isDeciding && (mayDecide || !rules.looksAgain))
    yield { name: 'the earlier start lets the call pass', to: as({ isDeciding: false }), releasesOld: true }
}

/** Whether a barrier waits no more for this point (`readPoints` of `feed/barrier.ts`). */
export function isSettled({ row }: PointState, { waitsForFenced }: Rules): boolean {
  const { acknowledged, lease, fenced } = row
  return (acknowledged === 1 || acknowledged === null || lease === 0) && (fenced === 0 || !waitsForFenced)
}

/** A tick goes by, on all clocks at once. */
export function afterTick(state: PointState, { leaseTicks }: Rules): PointState {
  const down = (ticks: number) => Math.max(0, ticks - 1)
  const older = (renewal: Renewal | null) =>
    renewal && { ...renewal, age: Math.min(leaseTicks, renewal.age + 1) }
  const { row, earlier } = state
  return {
    ...{ ...state, lease: down(state.lease), renewal: older(state.renewal) },
    earlier: earlier && { ...earlier, lease: down(earlier.lease), renewal: older(earlier.renewal) },
    row: { ...row, lease: down(row.lease), fenced: down(row.fenced) },
  }
}
