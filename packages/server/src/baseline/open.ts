import { isoTime } from '@valetkey/sdk/core'
import type { Audit, FollowedLog, Move } from '../audit/index.ts'
import type { WaitForPoints } from '../directory/index.ts'
import type { Store, Tx } from '../store/index.ts'
import type { AlertRow } from './alert.ts'
import { alertHandlers } from './operations.ts'
import { type AlertPolicy, readAlertPolicy } from './policy.ts'
import { type Observed, toObserved } from './profile.ts'
import { createProfiles, type KnownAgent } from './profiles.ts'
import { ACTOR, raise, toRow } from './raise.ts'
import { createSuspensions } from './suspend.ts'
import { type Finding, joinFindings, watchCall } from './watch.ts'

const FOLLOWER = 'baseline'
const ROUND_EVERY_MS = 1000
const LOOK_EVERY_MS = 2000
/** How often progress is noted where there is nothing to tell; after a kill so much is observed again, to the same end. */
const SAVE_EVERY_MS = 10_000
const MOST_UNSAVED = 1000
const RECORDS_A_TIME = 512
const LATEST_MS = 60_000
const OLDEST_MS = 400 * 24 * 3_600_000

export interface BaselineOptions {
  store: Store
  audit: Audit
  now(): number
  waitForPoints: WaitForPoints
  /** Tells others of an alert, in the transaction that raises it. */
  onAlert?(tx: Tx, alert: AlertRow): Promise<void>
  onFault(fault: unknown): void
}

export interface Baseline {
  readonly handlers: typeof alertHandlers
  /** Records that were not observed yet, and alerts that this node has raised, by kind. */
  figures(): Promise<{ backlog: number; raised: ReadonlyMap<string, number> }>
  /** Observes what has come in now, without waiting for the next round, and does what follows from it. */
  wake(): Promise<void>
  close(): Promise<void>
}

/** Begins to observe what agents do, where that was left, and goes on until it is closed. */
export async function openBaseline(options: BaselineOptions): Promise<Baseline> {
  const { store, audit, now, waitForPoints, onFault } = options
  const { following } = audit
  await store.write(tx => following.begin(tx, FOLLOWER, [], isoTime(now())))
  const follower = following.open(FOLLOWER)
  const profiles = createProfiles(store)
  const suspensions = createSuspensions({ store, actor: ACTOR, now }, waitForPoints, onFault)
  const raised = new Map<string, number>()
  /** Observed and not noted yet. */
  let reached = new Map<string, Move>()
  let found: { agent: KnownAgent; finding: Finding; policy: AlertPolicy }[] = []
  let term = 0
  let savedAt = now()
  let isDirty = true
  let lookAt = 0
  /** How the logs stood when the last round had read them to their end. */
  let observed: string | undefined
  let hasPending = true
  let isClosed = false

  async function hold(): Promise<boolean> {
    const isHeld = await follower.hold()
    if (isHeld && follower.term() === term) return true
    // What was observed without being noted is observed by whoever reads now.
    term = follower.term()
    forget()
    return isHeld
  }

  function forget(): void {
    profiles.forget()
    reached = new Map()
    found = []
    observed = undefined
  }

  async function save(): Promise<void> {
    const moves = [...reached.values()]
    if (moves.length === 0) return
    const alerts = found.map(({ agent, finding, policy }) => toRow(agent, finding, policy, now()))
    let saved: KnownAgent[] = []
    try {
      await follower.advance(moves, async tx => {
        saved = await profiles.save(tx, now())
        for (const alert of alerts) {
          await raise(tx, alert, now())
          await options.onAlert?.(tx, alert)
        }
      })
    } catch (fault) {
      forget()
      throw fault
    }
    profiles.saved(saved)
    reached = new Map()
    found = []
    savedAt = now()
    for (const { kind } of alerts) raised.set(kind, (raised.get(kind) ?? 0) + 1)
  }

  /** Observes a log from where it was left to its end. */
  async function observe(log: FollowedLog, organization: string): Promise<void> {
    const policy = await readAlertPolicy(store.db, organization)
    const key = `${log.name}/${log.generation}`
    for (let at = reached.get(key)?.to ?? log.position; at < log.entries; at += RECORDS_A_TIME) {
      if (isClosed || !(await hold())) return
      const records = await follower.read(log, at, RECORDS_A_TIME)
      const calls = records.flatMap(({ record: each }) => toCall(each, now()) ?? [])
      await profiles.meet(
        organization,
        calls.map(({ agent }) => agent),
      )
      for (const [agent, own] of Map.groupBy(calls, call => call.agent)) {
        const known = profiles.find(organization, agent)
        if (!known) continue
        known.isChanged = true
        const findings = own.flatMap(({ call }) => watchCall(known.profile, call, policy))
        found.push(...joinFindings(findings).map(finding => ({ agent: known, finding, policy })))
      }
      reached.set(key, { log, to: Math.min(log.entries, at + RECORDS_A_TIME) })
      if (found.length > 0 || profiles.changed() >= MOST_UNSAVED) await save()
    }
  }

  async function round(): Promise<void> {
    if (!isDirty && now() < lookAt) return
    isDirty = false
    lookAt = now() + LOOK_EVERY_MS
    const heads = await following.heads()
    const state = heads.map(({ name, generation, entries }) => `${name}/${generation}:${entries}`).join(' ')
    // A node at rest writes nothing: not even that it holds its lease.
    if (state === observed && reached.size === 0 && !hasPending) return
    if (!(await hold())) return
    for (const log of follower.logs(heads))
      if (
        log.organization !== null &&
        log.entries > (reached.get(`${log.name}/${log.generation}`)?.to ?? log.position)
      )
        await observe(log, log.organization)
    if (now() - savedAt >= SAVE_EVERY_MS) await save()
    observed = state
    hasPending = true
    hasPending = await suspensions.start()
  }

  let running: Promise<void> = Promise.resolve()
  const wake = () => {
    running = running.then(round).catch(onFault)
    return running
  }
  const unhook = following.onStored(() => {
    isDirty = true
  })
  const timer = setInterval(() => void wake(), ROUND_EVERY_MS).unref()
  return {
    handlers: alertHandlers,
    async figures() {
      const backlogs = await following.backlogs([{ id: FOLLOWER, name: undefined }])
      return { backlog: backlogs.get(FOLLOWER) ?? 0, raised }
    },
    async wake() {
      isDirty = true
      await wake()
      await suspensions.settled()
    },
    async close() {
      clearInterval(timer)
      unhook()
      isClosed = true
      await running
      await suspensions.settled()
      await save().catch(onFault)
      await follower.release().catch(onFault)
    },
  }
}

/** A call as it is observed, and whose it is; undefined for what is no agent's call. */
function toCall(
  each: Parameters<typeof toObserved>[0],
  now: number,
): { agent: string; call: Observed } | undefined {
  const { type, agent, at } = each
  if (type !== 'attempt' || typeof agent !== 'string' || typeof at !== 'string') return undefined
  const said = Date.parse(at)
  // A point whose clock is off by years must not make anybody look dormant.
  const isOff = !(said <= now + LATEST_MS && said >= now - OLDEST_MS)
  return { agent, call: toObserved(each, isOff ? now : said) }
}
