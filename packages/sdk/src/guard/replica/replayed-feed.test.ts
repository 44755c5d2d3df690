import { expect, test } from 'vitest'
import { AppError, CATALOGUE, type Change, type LeaseRequest, type OrganizationOp } from '../../core/index.ts'
import type { FeedEvent, Link } from './link.ts'
import { startReplica } from './replica.ts'

const ORGANIZATION = 'org_1'
const CREDENTIAL: OrganizationOp = {
  ...{ fact: 'credential', id: 'crd_1' },
  value: { id: 'crd_1', agent: 'agt_1', expiresAt: null },
}

/** The line to an authority that says whatever the test has it say. */
function openLine() {
  const heads: Record<string, number> = { [CATALOGUE]: 1, [ORGANIZATION]: 5 }
  const told: FeedEvent[] = []
  let wake = () => {}
  const asked: LeaseRequest[] = []
  const facts = (organization: string): Change => ({
    ...{ organization, revision: heads[organization] ?? 0 },
    ops: organization === ORGANIZATION ? [CREDENTIAL] : [],
  })
  const link: Omit<Link, 'registration'> = {
    snapshot: async organization => facts(organization) as Change,
    async *changes(_, signal) {
      signal.addEventListener('abort', () => wake())
      while (!signal.aborted) {
        const event = told.shift()
        if (event) yield event
        else await new Promise<void>(resolve => (wake = resolve))
      }
    },
    async lease(request) {
      asked.push(request)
      return { leaseMs: 5_000, dangerousLeaseMs: 1_000, heads: { ...heads } }
    },
    ...{ leave: async () => undefined, sendRecords: async () => 0, sendDefinitions: async () => undefined },
    upstreamCredential: async () => null,
  }
  return {
    link: link as Link,
    heads,
    asked,
    tell(revision: number, ops: OrganizationOp[]) {
      told.push({ kind: 'change', change: { organization: ORGANIZATION, revision, ops } })
      wake()
    },
  }
}

const clock = { now: Date.now, monotonic: () => performance.now() }
const quiet = { clock, onEnded: () => undefined, log: () => undefined }

test('a feed that is replayed from the past brings nothing back that was revoked since', async () => {
  const line = openLine()
  const replica = await startReplica({ link: line.link, ...quiet })
  await replica.hold(ORGANIZATION)
  const isKnown = () => replica.snapshot.organization(ORGANIZATION)?.credentials.has('crd_1')
  expect(isKnown()).toBe(true)
  line.heads[ORGANIZATION] = 6
  line.tell(6, [{ fact: 'credential', id: 'crd_1', value: null }])
  await expect.poll(isKnown).toBe(false)
  for (const revision of [1, 3, 5, 6]) line.tell(revision, [CREDENTIAL])
  line.heads[ORGANIZATION] = 7
  line.tell(7, [])
  await expect.poll(() => replica.snapshot.revisionOf(ORGANIZATION)).toBe(7)
  expect(isKnown()).toBe(false)
  replica.close()
})

test('an authority that does not say how far an organization is gives no lease on it', async () => {
  const line = openLine()
  const replica = await startReplica({ link: line.link, ...quiet })
  await replica.hold(ORGANIZATION)
  delete line.heads[ORGANIZATION]
  const before = line.asked.length
  line.tell(6, [])
  await expect.poll(() => line.asked.length).toBeGreaterThan(before)
  await expect.poll(() => replica.ensureLease('dangerous'), { timeout: 10_000 }).toBe(false)
  line.heads[ORGANIZATION] = 6
  await expect.poll(() => replica.ensureLease('dangerous'), { timeout: 10_000 }).toBe(true)
  replica.close()
})

test('a renewal that is answered after the start was taken over gives no lease any more', async () => {
  const line = openLine()
  let isOver = false
  const { lease, changes } = line.link
  line.link.changes = async function* (from, signal) {
    for await (const event of changes(from, signal)) {
      if (isOver) throw new AppError('point.fenced', 'A newer start took over.')
      yield event
    }
  }
  let answer: (() => void) | undefined
  const ended: AppError[] = []
  const replica = await startReplica({ link: line.link, ...quiet, onEnded: reason => ended.push(reason) })
  await replica.hold(ORGANIZATION)
  line.link.lease = async request => {
    await new Promise<void>(resolve => (answer = resolve))
    return lease(request)
  }
  line.heads[ORGANIZATION] = 6
  line.tell(6, [])
  await expect.poll(() => replica.snapshot.revisionOf(ORGANIZATION)).toBe(6)
  await expect.poll(() => answer).toBeDefined()
  isOver = true
  line.tell(7, [])
  await expect.poll(() => ended.map(({ code }) => code)).toEqual(['point.fenced'])
  const { length } = line.asked
  answer?.()
  await expect.poll(() => line.asked.length).toBe(length + 1)
  await new Promise(resolve => setImmediate(resolve))
  expect(replica.hasLease('read')).toBe(false)
})
