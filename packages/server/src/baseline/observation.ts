import type { FollowedLog, Follower, Move } from '../audit/index.ts'
import type { Store, Tx } from '../store/index.ts'
import type { AlertRow } from './alert.ts'
import { type AlertPolicy, readAlertPolicy } from './policy.ts'
import { type Observed, toObserved } from './profile.ts'
import { createProfiles, type KnownAgent, type Profiles } from './profiles.ts'
import { raise, toRow } from './raise.ts'
import { type Finding, joinFindings, watchCall } from './watch.ts'

/** After a kill so much is observed again, to the same end. */
const MOST_UNSAVED = 1000
const RECORDS_A_TIME = 512
const LATEST_MS = 60_000
const OLDEST_MS = 400 * 24 * 3_600_000

export interface ObservationOptions {
  store: Store
  follower: Follower
  now(): number
  /** Tells others of an alert, in the transaction that raises it. */
  onAlert(tx: Tx, alert: AlertRow): Promise<void>
  isClosed(): boolean
}

/** What this node has observed and not noted yet: how far, what it found, and the agents as they are then known. */
export interface Observation {
  /** Whether it is this node that observes. */
  hold(): Promise<boolean>
  /** Whether a log holds what was not observed yet. */
  isBehind(log: FollowedLog): boolean
  /** Observes a log from where it was left to its end. */
  observe(log: FollowedLog, organization: string): Promise<void>
  hasUnsaved(): boolean
  /** Notes it all and raises the alerts, in one transaction. */
  save(): Promise<void>
  /** When that was done last. */
  savedAt(): number
  /** Alerts that this node has raised, by kind. */
  readonly raised: ReadonlyMap<string, number>
}

interface Call {
  agent: string
  call: Observed
}
interface Found {
  agent: KnownAgent
  finding: Finding
  policy: AlertPolicy
}

export function createObservation(options: ObservationOptions): Observation {
  const { store, follower, now } = options
  const profiles = createProfiles(store)
  const raised = new Map<string, number>()
  let reached = new Map<string, Move>()
  let found: Found[] = []
  let term = 0
  let savedAt = now()
  const keyOf = ({ name, generation }: FollowedLog) => `${name}/${generation}`
  const reachedOf = (log: FollowedLog) => reached.get(keyOf(log))?.to ?? log.position

  function forget(): void {
    profiles.forget()
    reached = new Map()
    found = []
  }

  async function hold(): Promise<boolean> {
    const isHeld = await follower.hold()
    if (isHeld && follower.term() === term) return true
    // What was observed without being noted is observed by whoever reads now.
    term = follower.term()
    forget()
    return isHeld
  }

  async function save(): Promise<void> {
    if (reached.size === 0) return
    const alerts = found.map(({ agent, finding, policy }) => toRow(agent, finding, policy, now()))
    try {
      await note(options, profiles, [...reached.values()], alerts)
    } catch (fault) {
      forget()
      throw fault
    }
    reached = new Map()
    found = []
    savedAt = now()
    for (const { kind } of alerts) raised.set(kind, (raised.get(kind) ?? 0) + 1)
  }

  async function observe(log: FollowedLog, organization: string): Promise<void> {
    const policy = await readAlertPolicy(store.db, organization)
    for (let at = reachedOf(log); at < log.entries; at += RECORDS_A_TIME) {
      if (options.isClosed() || !(await hold())) return
      const records = await follower.read(log, at, RECORDS_A_TIME)
      const calls = records.flatMap(({ record: each }) => toCall(each, now()) ?? [])
      found.push(...(await watchCalls(profiles, { organization, calls, policy })))
      reached.set(keyOf(log), { log, to: Math.min(log.entries, at + RECORDS_A_TIME) })
      if (found.length > 0 || profiles.changed() >= MOST_UNSAVED) await save()
    }
  }

  return {
    ...{ hold, observe, save, raised },
    isBehind: log => log.entries > reachedOf(log),
    hasUnsaved: () => reached.size > 0,
    savedAt: () => savedAt,
  }
}

async function note(
  { follower, onAlert, now }: ObservationOptions,
  profiles: Profiles,
  moves: readonly Move[],
  alerts: readonly AlertRow[],
): Promise<void> {
  let saved: KnownAgent[] = []
  await follower.advance(moves, async tx => {
    saved = await profiles.save(tx, now())
    for (const alert of alerts) {
      await raise(tx, alert, now())
      await onAlert(tx, alert)
    }
  })
  profiles.saved(saved)
}

/** Takes calls into what is known of their agents, and gives what was unusual about them. */
async function watchCalls(
  profiles: Profiles,
  given: { organization: string; calls: readonly Call[]; policy: AlertPolicy },
): Promise<Found[]> {
  const { organization, calls, policy } = given
  await profiles.meet(
    organization,
    calls.map(({ agent }) => agent),
  )
  return [...Map.groupBy(calls, call => call.agent)].flatMap(([id, own]) => {
    const agent = profiles.find(organization, id)
    if (!agent) return []
    agent.isChanged = true
    const findings = own.flatMap(({ call }) => watchCall(agent.profile, call, policy))
    return joinFindings(findings).map(finding => ({ agent, finding, policy }))
  })
}

/** A call as it is observed, and whose it is; undefined for what is no agent's call. */
function toCall(each: Parameters<typeof toObserved>[0], now: number): Call | undefined {
  const { type, agent, at } = each
  if (type !== 'attempt' || typeof agent !== 'string' || typeof at !== 'string') return undefined
  const said = Date.parse(at)
  // A point whose clock is off by years must not make anybody look dormant.
  const isOff = !(said <= now + LATEST_MS && said >= now - OLDEST_MS)
  return { agent, call: toObserved(each, isOff ? now : said) }
}
