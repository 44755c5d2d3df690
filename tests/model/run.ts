import type { OrganizationView } from '../../packages/sdk/src/engine/organization.ts'
import { createSnapshot, type Snapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import { chooseCommand } from './choose.ts'
import { type Command, createWorld, happen, isPossible } from './commands.ts'
import { allQuestions, differences, questionsOf } from './compare.ts'
import { createFactWriter, ORGANIZATION } from './facts.ts'
import { createSchema, type Schema } from './schema.ts'
import type { World } from './spec.ts'

/** A run of the model as data: small enough to be kept, and the same every time. */
export interface Run {
  schema: readonly number[]
  steps: readonly (readonly number[])[]
}

export const START = Date.parse('2027-01-01T00:00:00Z')
/** All questions are asked after so many steps, and at the end. */
const STEPS_TO_ALL = 32

export interface Stage {
  schema: Schema
  world: World
  snapshot: Snapshot
  view: OrganizationView
  /** Lets it happen in the specification and, as a change, in the index. Says whether it was possible. */
  perform(command: Command): boolean
}

/** The specification and the index side by side; `wrap` may break the index, to see whether the comparison notices. */
export function createStage(
  numbers: readonly number[],
  wrap: (snapshot: Snapshot) => Snapshot = one => one,
): Stage {
  const schema = createSchema(numbers)
  const world = createWorld(schema, START)
  const writer = createFactWriter(schema)
  const snapshot = wrap(createSnapshot())
  snapshot.load(writer.catalogue())
  snapshot.load(writer.organization())
  return {
    schema,
    world,
    snapshot,
    get view() {
      return viewOf(snapshot)
    },
    perform(command) {
      if (!isPossible(schema, world, command)) return false
      happen(world, command)
      const change = writer.write(command)
      if (change && !snapshot.apply(change)) throw new Error(`revision ${change.revision} does not follow`)
      return true
    },
  }
}

export function viewOf(snapshot: Snapshot): OrganizationView {
  const view = snapshot.organization(ORGANIZATION)
  if (!view) throw new Error(`there is no ${ORGANIZATION}`)
  return view
}

/** What came of a run: the first differences, if any, and how many steps were possible and done. */
export interface Outcome {
  differences: string[]
  performed: number
}

/** Runs the specification and the index in step, up to the first difference. */
export function play(run: Run, wrap?: (snapshot: Snapshot) => Snapshot): Outcome {
  const stage = createStage(run.schema, wrap)
  let performed = 0
  for (const [n, numbers] of run.steps.entries()) {
    const command = chooseCommand(stage.schema, stage.world, numbers)
    const isLast = n === run.steps.length - 1
    // What is refused changes nothing, so there is nothing to compare.
    if (stage.perform(command)) performed++
    else if (!isLast) continue
    const isAll = isLast || performed % STEPS_TO_ALL === 0
    const asked = isAll ? allQuestions(stage.world) : questionsOf(stage.world, n)
    const found = differences(stage.world, stage.view, asked)
    if (found.length > 0)
      return { differences: [`after step ${n}, ${JSON.stringify(command)}`, ...found], performed }
  }
  return { differences: [], performed }
}
