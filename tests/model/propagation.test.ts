import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CATALOGUE, type Change } from '../../packages/sdk/src/core/index.ts'
import { createSnapshot, type Snapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import { runsOf } from './arbitrary.ts'
import { chooseCommand } from './choose.ts'
import { createDice, type Dice } from './dice.ts'
import { digestOf } from './digest.ts'
import { ORGANIZATION } from './facts.ts'
import { createStage, type Run, viewOf } from './run.ts'

const PARTS = [CATALOGUE, ORGANIZATION] as const
type Part = (typeof PARTS)[number]
const FOLLOWERS = 3

/** Where the changes come from: what it holds now, and what it held at each revision. */
interface Source {
  head(part: Part): number
  facts(part: Part): Change
  /** All facts of a part at a revision, as one text. */
  at(part: Part, revision: number): string | undefined
}

/** An index that hears of changes over a line that loses, doubles, delays and mixes up what it is given. */
interface Follower {
  hear(change: Change): void
  /** Some of what is on the line arrives. */
  deliver(dice: Dice): void
  /** Gets to a revision at least, and says what it then holds. */
  atLeast(part: Part, revision: number): string
  snapshot: Snapshot
}

function createFollower(source: Source, snapshot: Snapshot): Follower {
  let line: Change[] = []
  for (const part of PARTS) snapshot.load(source.facts(part))
  const reload = (part: Part) => snapshot.load(source.facts(part))
  return {
    snapshot,
    hear: change => void line.push(change),
    deliver(dice) {
      const kept: Change[] = []
      for (const change of line) {
        const fate = dice.roll(8)
        if (fate === 7) continue
        if (fate === 6) kept.push(change)
        else {
          if (!snapshot.apply(change)) reload(change.organization as Part)
          if (fate === 5) kept.push(change)
        }
      }
      line = dice.roll(3) === 2 ? kept.toReversed() : kept
    },
    atLeast(part, revision) {
      if ((snapshot.revisionOf(part) ?? -1) < revision) reload(part)
      expect(snapshot.revisionOf(part)).toBeGreaterThanOrEqual(revision)
      return textOf(snapshot.facts(part))
    },
  }
}

/** The same text for the same facts, whatever order they are held in. */
function textOf(change: Change | undefined): string {
  const facts = (change?.ops ?? []).flatMap(op =>
    op.fact === 'resource'
      ? (op.value?.rows ?? []).map(row => JSON.stringify([op.fact, op.value?.type, row]))
      : [JSON.stringify([op.fact, op.id, op.value])],
  )
  return facts.sort().join('\n')
}

/** Plays a run to followers over bad lines. Throws where one of them holds what never was, or answers too late. */
function playTo(run: Run, lines: readonly number[], wrap: (snapshot: Snapshot) => Snapshot): void {
  const history = new Map<string, string>()
  const log: Change[] = []
  const stage = createStage(run.schema, snapshot => ({
    ...snapshot,
    apply(change) {
      log.push(change)
      return snapshot.apply(change)
    },
  }))
  const remember = (part: Part) =>
    history.set(`${part} ${stage.snapshot.revisionOf(part)}`, textOf(stage.snapshot.facts(part)))
  PARTS.forEach(remember)
  const source: Source = {
    head: part => stage.snapshot.revisionOf(part) ?? -1,
    facts: part => JSON.parse(JSON.stringify(stage.snapshot.facts(part))) as Change,
    at: (part, revision) => history.get(`${part} ${revision}`),
  }
  const followers = Array.from({ length: FOLLOWERS }, () => createFollower(source, wrap(createSnapshot())))
  const dice = createDice(lines)
  let told = 0
  for (const numbers of run.steps) {
    stage.perform(chooseCommand(stage.schema, stage.world, numbers))
    for (const change of log.slice(told)) {
      remember(change.organization as Part)
      for (const follower of followers) follower.hear(change)
    }
    told = log.length
    for (const follower of followers) {
      follower.deliver(dice)
      for (const part of PARTS) {
        const revision = follower.snapshot.revisionOf(part) ?? -1
        expect(textOf(follower.snapshot.facts(part))).toBe(source.at(part, revision))
      }
    }
    // Who wrote asks one of them for at least what was written.
    const asked = followers[dice.roll(FOLLOWERS)]
    if (dice.roll(4) === 3)
      for (const part of PARTS)
        expect(asked?.atLeast(part, source.head(part))).toBe(source.at(part, source.head(part)))
  }
  for (const follower of followers) {
    // What a heartbeat does: it says how far the source is.
    for (const part of PARTS) follower.atLeast(part, source.head(part))
    const { now } = stage.world
    expect(digestOf(viewOf(follower.snapshot), now)).toBe(digestOf(stage.view, now))
  }
}

const runs = fc.tuple(
  runsOf({ least: 20, most: 50 }),
  fc.array(fc.nat(719), { minLength: 2_000, maxLength: 2_000, size: 'max' }),
)

test('whatever is lost, doubled, late or out of order, a follower holds some revision wholly, and in the end the last', () => {
  fc.assert(
    fc.property(runs, ([run, lines]) => {
      playTo(run, lines, snapshot => snapshot)
    }),
    { numRuns: 60 },
  )
})

/** Takes every change for the next one. */
const takesGaps = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  apply(change) {
    const held = snapshot.revisionOf(change.organization)
    if (held === undefined || change.revision <= held) return true
    snapshot.apply({ ...change, revision: held + 1 } as Change)
    setRevision(snapshot, change)
    return true
  },
})

/** Applies again what it has had already. */
const takesOld = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  apply(change) {
    const held = snapshot.revisionOf(change.organization)
    if (held === undefined || change.revision > held) return snapshot.apply(change)
    snapshot.apply({ ...change, revision: held + 1 } as Change)
    setRevision(snapshot, { ...change, revision: held } as Change)
    return true
  },
})

/** Says that a gap is none, and goes on without what was in it. */
const hidesGaps = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  apply(change) {
    if (!snapshot.apply(change)) setRevision(snapshot, change)
    return true
  },
})

function setRevision(snapshot: Snapshot, change: Change): void {
  const held =
    change.organization === CATALOGUE ? snapshot.catalogue : snapshot.organization(change.organization)
  if (held) held.revision = change.revision
}

test.each([
  ['takes every change for the next one', takesGaps],
  ['applies old changes again', takesOld],
  ['hides gaps', hidesGaps],
])('a follower that %s is caught', (_, wrap) => {
  const result = fc.check(
    fc.property(runs, ([run, lines]) => {
      playTo(run, lines, wrap)
    }),
    { numRuns: 40, seed: 1, endOnFailure: true },
  )
  expect(result.failed).toBe(true)
})
