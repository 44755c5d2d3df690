import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CATALOGUE, type Change } from '../../packages/sdk/src/core/index.ts'
import { createSnapshot, type Snapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import { runsOf } from './arbitrary.ts'
import { chooseCommand } from './choose.ts'
import { digestOf } from './digest.ts'
import { ORGANIZATION } from './facts.ts'
import { createStage, viewOf } from './run.ts'

function copyOf(snapshot: Snapshot): Change[] {
  // As text, since that is how facts travel: nothing of the original must be shared.
  const facts = [CATALOGUE, ORGANIZATION].map(part => snapshot.facts(part))
  return JSON.parse(JSON.stringify(facts)) as Change[]
}

function from(facts: readonly Change[], tail: readonly Change[]): Snapshot {
  const snapshot = createSnapshot()
  for (const change of facts) snapshot.load(change)
  for (const change of tail) expect(snapshot.apply(change)).toBe(true)
  return snapshot
}

test('a snapshot and what follows it, all changes from the first, and a fresh load answer the same', () => {
  fc.assert(
    fc.property(runsOf({ least: 20, most: 60 }), fc.nat(59), (run, at) => {
      const log: Change[] = []
      const stage = createStage(run.schema, snapshot => ({
        ...snapshot,
        apply(change) {
          log.push(JSON.parse(JSON.stringify(change)))
          return snapshot.apply(change)
        },
      }))
      const first = copyOf(stage.snapshot)
      let middle = { facts: first, after: 0 }
      for (const [n, numbers] of run.steps.entries()) {
        if (n === at % run.steps.length) middle = { facts: copyOf(stage.snapshot), after: log.length }
        stage.perform(chooseCommand(stage.schema, stage.world, numbers))
      }
      const { now } = stage.world
      const digest = digestOf(stage.view, now)
      expect(digestOf(viewOf(from(first, log)), now)).toBe(digest)
      expect(digestOf(viewOf(from(middle.facts, log.slice(middle.after))), now)).toBe(digest)
      expect(digestOf(viewOf(from(copyOf(stage.snapshot), [])), now)).toBe(digest)
      expect(digestOf(viewOf(stage.snapshot.fork(ORGANIZATION)), now)).toBe(digest)
      // Loading over what is held already is the same as loading anew.
      const used = from(first, log)
      for (const facts of middle.facts) used.load(facts)
      for (const change of log.slice(middle.after)) expect(used.apply(change)).toBe(true)
      expect(digestOf(viewOf(used), now)).toBe(digest)
    }),
    { numRuns: 80 },
  )
})
