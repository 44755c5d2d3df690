import { expect, test } from 'vitest'
import { Groups } from './groups.ts'

const [ADA, BEN, CLERKS, STAFF] = [1, 2, 8, 9]

function stage() {
  const inactive = new Set<number>()
  const groups = new Groups(seq => !inactive.has(seq))
  groups.put('1', { group: CLERKS, member: ADA })
  groups.put('2', { group: STAFF, member: CLERKS })
  expect([...groups.subjectsOf(ADA)].sort()).toEqual([ADA, CLERKS, STAFF])
  return { inactive, groups }
}

test('what is known of a member is forgotten when a group ceases to count, whatever their numbers', () => {
  for (const gone of [CLERKS, STAFF]) {
    const { inactive, groups } = stage()
    inactive.add(gone)
    groups.forget(gone)
    expect([...groups.subjectsOf(ADA)].sort()).toEqual(gone === CLERKS ? [ADA] : [ADA, CLERKS])
    inactive.clear()
    groups.forget(gone)
    expect([...groups.subjectsOf(ADA)].sort()).toEqual([ADA, CLERKS, STAFF])
  }
})

test('what is known of a member is forgotten when a group joins or leaves another', () => {
  const { groups } = stage()
  groups.put('2', null)
  expect([...groups.subjectsOf(ADA)].sort()).toEqual([ADA, CLERKS])
  groups.put('2', { group: STAFF, member: CLERKS })
  expect([...groups.subjectsOf(ADA)].sort()).toEqual([ADA, CLERKS, STAFF])
  groups.put('1', { group: CLERKS, member: BEN })
  expect([...groups.subjectsOf(ADA)]).toEqual([ADA])
  expect([...groups.subjectsOf(BEN)].sort()).toEqual([BEN, CLERKS, STAFF])
})

test('whoever is in several groups, and a group of several, are counted for each', () => {
  const { groups } = stage()
  groups.put('3', { group: STAFF, member: ADA })
  groups.put('4', { group: CLERKS, member: BEN })
  groups.put('2', null)
  expect([...groups.subjectsOf(ADA)].sort()).toEqual([ADA, CLERKS, STAFF])
  expect(groups.membersOf(CLERKS).sort()).toEqual([ADA, BEN, CLERKS])
  groups.put('3', null)
  expect([...groups.subjectsOf(ADA)].sort()).toEqual([ADA, CLERKS])
  expect(groups.membersOf(STAFF)).toEqual([STAFF])
  expect([...groups.facts()]).toEqual([
    ['1', { group: CLERKS, member: ADA }],
    ['4', { group: CLERKS, member: BEN }],
  ])
})

test('a member that is not active belongs to nothing, and comes back to what it belonged to', () => {
  const { inactive, groups } = stage()
  inactive.add(ADA)
  groups.forget(ADA)
  expect(groups.subjectsOf(ADA)).toEqual([])
  inactive.clear()
  groups.forget(ADA)
  expect([...groups.subjectsOf(ADA)].sort()).toEqual([ADA, CLERKS, STAFF])
})
