import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Change, OrganizationOp } from '../../packages/sdk/src/core/index.ts'
import type { Snapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import { runsOf } from './arbitrary.ts'
import { play } from './run.ts'

type Op = Change['ops'][number]

/** An index to which something of every change never gets; the revisions go on as if it had. */
function losing(tamper: (op: Op) => Op | undefined): (snapshot: Snapshot) => Snapshot {
  return snapshot => ({
    ...snapshot,
    apply(change) {
      const ops = change.ops.flatMap(op => tamper(op) ?? [])
      return snapshot.apply({ ...change, ops } as Change)
    },
  })
}

const isRemoval = (op: Op) => op.value === null
const isMove = (op: Op, known: Set<string>) => {
  const isKnown = known.has(op.id)
  if (op.fact === 'resource') for (const row of op.value?.rows ?? []) known.add(`${row[0]}`)
  return op.fact === 'resource' && op.value !== null && isKnown
}
const endless = (op: Op): Op =>
  op.fact === 'assignment' && op.value ? { ...op, value: { ...op.value, expiresAt: null } } : op
const awake = (op: Op): Op =>
  op.fact === 'principal' && op.value ? { ...op, value: { ...op.value, status: 'active' } } : op
/** As if names, not numbers, said what is meant: a resource that comes back is the one that went. */
const resurrecting = () => {
  const gone = new Map<string, number>()
  return (op: Op): Op | undefined => {
    if (op.fact !== 'resource' || !op.value) return op
    const rows = op.value.rows.map(([seq, id, parent]) => {
      const first = gone.get(`${op.value?.type}/${id}`) ?? seq
      gone.set(`${op.value?.type}/${id}`, first)
      return [first, id, parent] as const
    })
    return { ...op, id: `${rows[0]?.[0]}`, value: { ...op.value, rows } } satisfies OrganizationOp
  }
}

/** Each of these, taken away, is noticed; so each of them is really looked at. */
const MECHANISMS: Record<string, () => (op: Op) => Op | undefined> = {
  'removal of a resource': () => op => (op.fact === 'resource' && isRemoval(op) ? undefined : op),
  'removal of an assignment': () => op => (op.fact === 'assignment' && isRemoval(op) ? undefined : op),
  'removal of a member': () => op => (op.fact === 'member' && isRemoval(op) ? undefined : op),
  'removal of a group': () => op => (op.fact === 'principal' && isRemoval(op) ? undefined : op),
  'joining a group': () => op => (op.fact === 'member' && !isRemoval(op) ? undefined : op),
  'editing a role': () => op => (op.fact === 'role' ? undefined : op),
  'moving a resource': () => {
    const known = new Set<string>()
    return op => (isMove(op, known) ? undefined : op)
  },
  'numbers that are never used again': resurrecting,
  expiry: () => endless,
  suspension: () => awake,
}

test.each(Object.keys(MECHANISMS))('without %s, the comparison fails', name => {
  const mechanism = MECHANISMS[name]
  if (!mechanism) throw new Error(`no mechanism ${name}`)
  const failing = fc.check(
    fc.property(runsOf({ least: 60, most: 80 }), run => {
      let outcome = { differences: ['the index broke down'], performed: 0 }
      try {
        outcome = play(run, losing(mechanism()))
      } catch {
        // An index that throws is noticed as well.
      }
      expect(outcome.differences).toEqual([])
    }),
    { numRuns: 100, seed: 1, endOnFailure: true },
  )
  expect(failing.failed).toBe(true)
})

test('with all of them, it holds on the same runs', () => {
  fc.assert(
    fc.property(runsOf({ least: 60, most: 80 }), run => {
      expect(
        play(
          run,
          losing(op => op),
        ).differences,
      ).toEqual([])
    }),
    { numRuns: 20, seed: 1 },
  )
})
