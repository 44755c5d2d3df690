import { CATALOGUE } from '@valetkey/sdk/core'
import { isAllowed } from '../../packages/sdk/src/engine/access.ts'
import { findResource } from '../../packages/sdk/src/engine/naming.ts'
import { createSnapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import { serve, settings } from '../child.ts'
import { median, quantile } from '../measure.ts'
import { type Asked, makeQuestions } from '../questions.ts'
import { catalogueOps, growTree, ORGANIZATION, organizationOps, TYPES } from '../tree.ts'

/** Microseconds a question, how many were answered otherwise than by the oracle, and how many there were. */
export interface CheckFigures {
  p50: number
  p99: number
  clock: number
  batched: number
  byType: Record<string, number>
  permitted: number
  wrong: number
  asked: number
}

const WARM_UP = 40_000
const QUESTIONS = 100_000
const BATCH = 100
const NOW = 1_800_000_000_000

const { resources } = settings<{ resources: number }>()
const tree = growTree(resources)
const snapshot = createSnapshot()
snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogueOps() })
snapshot.load({ organization: ORGANIZATION, revision: 1, ops: organizationOps(tree) })
const warmUp = makeQuestions(tree, WARM_UP, 11)
const { asked, permitted } = makeQuestions(tree, QUESTIONS)
const batched = makeQuestions(tree, QUESTIONS, 17).asked

function check({ principal, permission, type, id }: Asked): boolean {
  const view = snapshot.organization(ORGANIZATION)
  const person = view?.principals.get(principal)
  if (!view || !person) return false
  const resource = findResource(view, type, id)
  return isAllowed(view, { principal: person.seq, permission, resource, now: NOW })
}

function measure(): CheckFigures {
  for (const question of warmUp.asked) check(question)
  const micros = new Float64Array(asked.length)
  let wrong = 0
  for (let i = 0; i < asked.length; i++) {
    const question = asked[i] as Asked
    const from = performance.now()
    const answer = check(question)
    micros[i] = (performance.now() - from) * 1000
    if (answer !== permitted[i]) wrong++
  }
  const all = [...micros]
  const byType = TYPES.map(type => [type, median(all.filter((_, i) => asked[i]?.type === type))] as const)
  return {
    p50: median(all),
    p99: quantile(all, 0.99),
    clock: clockMicros(),
    batched: inBatches(),
    byType: Object.fromEntries(byType),
    permitted: permitted.filter(Boolean).length / permitted.length,
    wrong,
    asked: asked.length,
  }
}

/** What measuring one question costs itself. */
function clockMicros(): number {
  const samples = Array.from({ length: 10_000 }, () => {
    const from = performance.now()
    return (performance.now() - from) * 1000
  })
  return median(samples)
}

/** Without the clock between any two. */
function inBatches(): number {
  const samples: number[] = []
  for (let at = 0; at < batched.length; at += BATCH) {
    const from = performance.now()
    for (let i = at; i < at + BATCH; i++) check(batched[i] as Asked)
    samples.push(((performance.now() - from) * 1000) / BATCH)
  }
  return median(samples)
}

serve(measure())
