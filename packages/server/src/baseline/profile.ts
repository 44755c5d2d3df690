import type { JsonObject } from '@valetkey/sdk/core'
import * as z from 'zod'

/** What an agent usually does, as far back as its window goes. Bounded: it never grows beyond some kilobytes. */
export const Profile = z.object({
  firstAt: z.number(),
  lastAt: z.number(),
  calls: z.number(),
  /** When each was last used, by tool (`server/tool`) and by type of resource. */
  tools: z.record(z.string(), z.number()),
  types: z.record(z.string(), z.number()),
  /** When it was last active in each hour of the day (UTC). */
  hours: z.record(z.string(), z.number()),
  /** By day: calls, refusals, and the most calls within five minutes. */
  days: z.array(z.object({ day: z.number(), calls: z.number(), refusals: z.number(), peak: z.number() })),
  /** Calls of the last minutes. */
  minutes: z.array(z.object({ minute: z.number(), calls: z.number() })),
  /** Refusals in a row, and the records of the last of them. */
  streak: z.number(),
  streakRecords: z.array(z.string()),
  /** Until when no other alert of a kind is raised. */
  quietUntil: z.record(z.string(), z.number()),
})
export type Profile = z.infer<typeof Profile>

const MINUTE_MS = 60_000
export const DAY_MS = 24 * 60 * MINUTE_MS
const RATE_MINUTES = 5
const MOST_NAMES = 256
const LONGEST_NAME = 200
export const MOST_RECORDS = 20

export function newProfile(): Profile {
  return {
    ...{ firstAt: 0, lastAt: 0, calls: 0, tools: {}, types: {}, hours: {} },
    ...{ days: [], minutes: [], streak: 0, streakRecords: [], quietUntil: {} },
  }
}

/** A call as a baseline sees it. */
export interface Observed {
  record: string
  at: number
  /** Null for what is no tool of ours: the agent made its name up. */
  tool: string | null
  types: string[]
  isRefused: boolean
}

/** Reasons that say nothing of the agent: the authority was away, or somebody has stopped the agent already. */
const NOT_ITS_DOING = new Set(['stale', 'audit_unavailable', 'frozen', 'suspended', 'revoked'])

/** `at` is when the call was made, or was recorded where the clock of its point is off. */
export function toObserved(record: JsonObject, at: number): Observed {
  const { id, server, tool, method, resource, otherResources, decision, enforced, reason } = record
  const others = Array.isArray(otherResources) ? otherResources : []
  const paths = [resource, ...others].filter(path => typeof path === 'string')
  const types = paths.map(path => (path.split('/').at(-2) ?? path).slice(0, LONGEST_NAME))
  return {
    ...{ record: String(id), at, types: [...new Set(types)] },
    tool: reason === 'tool_unmapped' ? null : `${server}/${tool ?? method}`.slice(0, LONGEST_NAME),
    isRefused: decision === 'deny' && enforced !== false && !NOT_ITS_DOING.has(String(reason)),
  }
}

export function hourOf(at: number): string {
  return String(Math.floor((at % DAY_MS) / (60 * MINUTE_MS)))
}

/** Takes a call into what is usual. */
export function learn(profile: Profile, call: Observed, windowDays: number): void {
  const { at, tool, types, isRefused, record } = call
  if (profile.calls++ === 0) profile.firstAt = at
  profile.lastAt = Math.max(profile.lastAt, at)
  let isNew = tool !== null && keep(profile.tools, tool, at)
  for (const type of types) isNew = keep(profile.types, keyOfType(type), at) || isNew
  keep(profile.hours, hourOf(at), at)
  countMinute(profile, at)
  const days = profile.days.length
  const day = dayOf(profile, at)
  day.calls++
  if (isRefused) day.refusals++
  day.peak = Math.max(day.peak, rateAt(profile, at))
  profile.streak = isRefused ? profile.streak + 1 : 0
  profile.streakRecords = isRefused ? [...profile.streakRecords, record].slice(-MOST_RECORDS) : []
  // Nothing ages within a day, and nothing is too much unless something came.
  if (isNew || profile.days.length > days) forget(profile, windowDays)
}

/** The calls of five minutes, up to and with this one. */
export function rateAt(profile: Profile, at: number): number {
  const minute = Math.floor(at / MINUTE_MS)
  return profile.minutes
    .filter(each => each.minute > minute - RATE_MINUTES && each.minute <= minute)
    .reduce((sum, { calls }) => sum + calls, 0)
}

/** The most calls within five minutes on any day before this one. */
export function usualPeak(profile: Profile, at: number): number {
  const today = Math.floor(at / DAY_MS)
  return Math.max(0, ...profile.days.filter(({ day }) => day < today).map(({ peak }) => peak))
}

/** What a type is kept under: no name of a type can be one that every object has. */
export function keyOfType(type: string): string {
  return `=${type}`
}

/** Says whether it is new. */
function keep(names: Record<string, number>, name: string, at: number): boolean {
  const last = names[name]
  names[name] = Math.max(last ?? 0, at)
  return last === undefined
}

function countMinute(profile: Profile, at: number): void {
  const minute = Math.floor(at / MINUTE_MS)
  const found = profile.minutes.find(each => each.minute === minute)
  if (found) found.calls++
  else profile.minutes.push({ minute, calls: 1 })
  // Records of several points come a little out of order.
  if (profile.minutes.length > 2 * RATE_MINUTES)
    profile.minutes = profile.minutes.sort((a, b) => a.minute - b.minute).slice(-2 * RATE_MINUTES)
}

function dayOf(profile: Profile, at: number): Profile['days'][number] {
  const day = Math.floor(at / DAY_MS)
  const found = profile.days.findLast(each => each.day === day)
  if (found) return found
  const made = { day, calls: 0, refusals: 0, peak: 0 }
  profile.days.push(made)
  return made
}

/** What is older than the window is no longer usual; of too many names the ones that were used last stay. */
function forget(profile: Profile, windowDays: number): void {
  const oldest = profile.lastAt - windowDays * DAY_MS
  const today = Math.floor(profile.lastAt / DAY_MS)
  if (profile.days.some(({ day }) => day <= today - windowDays))
    profile.days = profile.days.filter(({ day }) => day > today - windowDays)
  for (const names of [profile.tools, profile.types, profile.hours]) {
    const entries = Object.entries(names)
    const live = entries.filter(([, at]) => at > oldest)
    const most = live.length > MOST_NAMES ? live.sort(([, a], [, b]) => b - a).slice(0, MOST_NAMES) : live
    if (most.length === entries.length) continue
    for (const name of Object.keys(names)) delete names[name]
    Object.assign(names, Object.fromEntries(most))
  }
}
