import type { Store } from '../../packages/server/src/store/index.ts'
import { chooseCommand } from './choose.ts'
import { allQuestions, differences, questionsOf } from './compare.ts'
import { sqlDifferences } from './compare-sql.ts'
import { digestOf } from './digest.ts'
import { createDirectoryStage, type DirectoryStage } from './directory.ts'
import { type Outcome, type Run, START } from './run.ts'

/** The queries are asked, and the facts loaded anew, after so many steps, and at the end. */
const STEPS_TO_SQL = 20

/** Runs specification, directory, change log, index and queries in step, up to the first difference. */
export async function playOn(store: Store, run: Run): Promise<Outcome> {
  const stage = await createDirectoryStage(run.schema, store, START)
  let performed = 0
  for (const [n, numbers] of run.steps.entries()) {
    const command = chooseCommand(stage.schema, stage.world, numbers)
    if (await stage.perform(command)) performed++
    const isAll = n % STEPS_TO_SQL === STEPS_TO_SQL - 1 || n === run.steps.length - 1
    const asked = isAll ? allQuestions(stage.world) : questionsOf(stage.world, n)
    const found = differences(stage.world, stage.view, asked)
    if (isAll) found.push(...(await sqlDifferences(stage, n)), ...(await differencesToFresh(stage)))
    if (found.length > 0)
      return { differences: [`after step ${n}, ${JSON.stringify(command)}`, ...found], performed }
  }
  return { differences: [], performed }
}

/** The index that followed every change holds what one that starts now loads. */
async function differencesToFresh(stage: DirectoryStage): Promise<string[]> {
  const { now } = stage.world
  const isSame = digestOf(await stage.loadAnew(), now) === digestOf(stage.view, now)
  return isSame ? [] : ['an index that followed the changes differs from one that was loaded now']
}
