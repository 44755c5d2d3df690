import { type AlertKind, type AlertPolicy, KINDS } from './policy.ts'
import {
  DAY_MS,
  hourOf,
  keyOfType,
  learn,
  MOST_RECORDS,
  type Observed,
  type Profile,
  rateAt,
  usualPeak,
} from './profile.ts'

/** Something that an agent does otherwise than before, with the records that show it. */
export interface Finding {
  kind: AlertKind
  at: number
  /** What is new, or how much there was. */
  what: string[]
  /** What was usual, in words. */
  usual: string
  records: string[]
}

const HOUR_MS = 3_600_000

/**
 * Holds a call against what its agent usually does, and then takes it into that. What is found new is usual from then on,
 * so that one change is one finding; of what goes on (a burst, a streak) there is one an hour.
 */
export function watchCall(profile: Profile, call: Observed, policy: AlertPolicy): Finding[] {
  const findings: Finding[] = []
  const isKnown = isLearned(profile, call.at, policy)
  const find = (kind: AlertKind, what: string[], usual: string, records = [call.record]) => {
    if (policy.kinds.includes(kind)) findings.push({ kind, at: call.at, what, usual, records })
  }
  const idleDays = Math.floor((call.at - profile.lastAt) / DAY_MS)
  if (profile.calls > 0 && idleDays >= policy.dormantDays)
    find('dormant_awake', [`after ${idleDays} days`], `last seen ${new Date(profile.lastAt).toISOString()}`)
  else if (isKnown) {
    // An agent that has just come back has nothing that is usual: the first call says so, and the rest is learned anew.
    if (call.tool !== null && !(call.tool in profile.tools))
      find('new_tool', [call.tool], `${Object.keys(profile.tools).length} tools`)
    const types = call.types.filter(type => !(keyOfType(type) in profile.types))
    if (types.length > 0) find('new_resource_type', types, `${Object.keys(profile.types).length} types`)
    if (isUnusualHour(profile, call.at))
      find('unusual_hour', [`${hourOf(call.at)}:00 UTC`], usualHours(profile))
  }
  learn(profile, call, policy.windowDays)
  if (isKnown) findBurst(profile, call, policy, find)
  if (profile.streak >= policy.refusalStreak && isLoud(profile, 'refusal_streak', call.at)) {
    quiet(profile, 'refusal_streak', call.at)
    find('refusal_streak', [`${profile.streak} refusals in a row`], `fewer than ${policy.refusalStreak}`, [
      ...profile.streakRecords,
    ])
  }
  return findings
}

/** Before an agent has been seen for some days, or in very many calls, everything it does is new. */
function isLearned(profile: Profile, at: number, { learnDays, learnCalls }: AlertPolicy): boolean {
  return profile.calls > 0 && (at - profile.firstAt >= learnDays * DAY_MS || profile.calls >= learnCalls)
}

function findBurst(
  profile: Profile,
  call: Observed,
  { burstFactor, burstCalls }: AlertPolicy,
  find: (kind: AlertKind, what: string[], usual: string) => void,
): void {
  const rate = rateAt(profile, call.at)
  const usual = usualPeak(profile, call.at)
  // On its first day there is no other to compare with.
  if (usual === 0 || rate < burstCalls || rate < burstFactor * usual) return
  if (!isLoud(profile, 'burst', call.at)) return
  quiet(profile, 'burst', call.at)
  find('burst', [`${rate} calls in five minutes`], `at most ${usual} in five minutes`)
}

/** Hours are a habit only once there are enough days to make one, and not for whoever works around the clock. */
function isUnusualHour(profile: Profile, at: number): boolean {
  const hours = Object.keys(profile.hours).map(Number)
  if (profile.days.length < 7 || hours.length > 16) return false
  const hour = Number(hourOf(at))
  return ![hour - 1, hour, hour + 1].some(near => hours.includes((near + 24) % 24))
}

function usualHours(profile: Profile): string {
  const hours = Object.keys(profile.hours).map(Number)
  return `hours ${hours.sort((a, b) => a - b).join(', ')} UTC`
}

function isLoud(profile: Profile, kind: AlertKind, at: number): boolean {
  return at >= (profile.quietUntil[kind] ?? 0)
}

function quiet(profile: Profile, kind: AlertKind, at: number): void {
  profile.quietUntil[kind] = at + HOUR_MS
}

/** What one agent has done in one reading, as one alert a kind: fifty new tools at once are one change. */
export function joinFindings(findings: readonly Finding[]): Finding[] {
  return KINDS.flatMap(kind => {
    const same = findings.filter(finding => finding.kind === kind)
    const [first] = same
    if (!first) return []
    const all = <T>(of: (finding: Finding) => readonly T[]) =>
      [...new Set(same.flatMap(of))].slice(0, MOST_RECORDS)
    return { ...first, what: all(({ what }) => what), records: all(({ records }) => records) }
  })
}
