import { CATALOGUE } from '@valetkey/sdk/core'
import { isAllowed } from '../../packages/sdk/src/engine/access.ts'
import { findResource } from '../../packages/sdk/src/engine/naming.ts'
import { createSnapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import { serve, settings } from '../child.ts'
import { clockMicros, eachMicros, median, quantile } from '../measure.ts'
import { type Asked, makeQuestions } from '../questions.ts'
import { catalogueOps, growTree, ORGANIZATION, organizationOps, TYPES, type Type } from '../tree.ts'

/** Microseconds a question, how many were answered otherwise than by the oracle, and how many there were. */
export interface CheckFigures {
  p50: number
  p99: number
  clock: number
  byType: Record<Type, number>
  permitted: number
  wrong: number
  asked: number
}

const WARM_UP = 40_000
const QUESTIONS = 100_000
const NOW = 1_800_000_000_000

const { resources } = settings<{ resources: number }>()
const tree = growTree(resources)
const snapshot = createSnapshot()
snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogueOps() })
snapshot.load({ organization: ORGANIZATION, revision: 1, ops: organizationOps(tree) })
const warmUp = makeQuestions(tree, WARM_UP, 11)
const { asked, permitted } = makeQuestions(tree, QUESTIONS)

function check({ principal, permission, type, id }: Asked): boolean {
  const view = snapshot.organization(ORGANIZATION)
  const person = view?.principals.get(principal)
  if (!view || !person) return false
  const resource = findResource(view, type, id)
  return isAllowed(view, { principal: person.seq, permission, resource, now: NOW })
}

function measure(): CheckFigures {
  for (const question of warmUp.asked) check(question)
  const answers: boolean[] = []
  const texts = asked.map(question => JSON.stringify(question))
  // As from a request: nobody has looked up its strings before.
  const parse = (text: string): Asked => JSON.parse(text)
  const micros = eachMicros(texts, parse, question => void answers.push(check(question)))
  const byType = TYPES.map(type => [type, median(micros.filter((_, i) => asked[i]?.type === type))] as const)
  return {
    p50: median(micros),
    p99: quantile(micros, 0.99),
    clock: clockMicros(),
    byType: Object.fromEntries(byType) as CheckFigures['byType'],
    permitted: answers.filter(Boolean).length / answers.length,
    wrong: answers.filter((answer, i) => answer !== permitted[i]).length,
    asked: asked.length,
  }
}

serve(measure())
