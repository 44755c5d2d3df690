import { AppError } from '@valetkey/sdk/core'
import type { Context, OutputOf } from '../directory/index.ts'
import { joinPath } from './fault.ts'

export type PolicyChange = OutputOf<'policy', 'apply'>['changes'][number]

/** A policy being applied: where it happens, and what it has changed so far. */
export interface Run {
  ctx: Context
  changes: PolicyChange[]
}

/** What operations call a field, where a policy calls it otherwise. */
const KEYS: Record<string, string> = { permission: 'needs', inputSchema: 'input' }
/** In some sections only. */
const SECTION_KEYS: Record<string, Record<string, string>> = {
  servers: { condition: 'when' },
  assignments: { principal: 'to', resource: 'on', expiresAt: 'until' },
}
const FOR_POLICY = /^(request\.invalid|policy\.invalid|not_found|conflict\..+|resource\..+)$/

/** Runs an operation for a part of the policy: what it refuses is a fault there. */
export async function at<T>(path: readonly string[], operation: Promise<T>): Promise<T> {
  try {
    return await operation
  } catch (cause) {
    if (!(cause instanceof AppError) || !FOR_POLICY.test(cause.code)) throw cause
    const key =
      cause.path === undefined || cause.path === 'name' || cause.path === 'id' ? undefined : cause.path
    const inside = key === undefined ? [] : [SECTION_KEYS[path[0] ?? '']?.[key] ?? KEYS[key] ?? key]
    throw new AppError('policy.invalid', cause.message, { path: joinPath([...path, ...inside]), cause })
  }
}

export function refuse(path: readonly string[], message: string): never {
  throw new AppError('policy.invalid', message, { path: joinPath(path) })
}

/** Everything that a list operation gives, page by page. */
export async function all<T>(
  list: (page: { limit: number; cursor?: string }) => Promise<{ items: T[]; next: string | null }>,
): Promise<T[]> {
  const items: T[] = []
  for (let cursor: string | null = null; ; ) {
    const page: { items: T[]; next: string | null } = await list({
      limit: 200,
      ...(cursor !== null && { cursor }),
    })
    items.push(...page.items)
    cursor = page.next
    if (cursor === null) return items
  }
}

/** `name "a" -> "b"` for each field that differs; empty where none does. */
export function differences<T extends object>(before: T, after: Partial<T>): string {
  return (Object.keys(after) as (keyof T & string)[])
    .filter(key => after[key] !== undefined && JSON.stringify(after[key]) !== JSON.stringify(before[key]))
    .map(key => `${key} ${short(before[key])} -> ${short(after[key])}`)
    .join(', ')
}

function short(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value ?? null)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text || '""'
}

/** `+a -b` for what a list gains and loses. */
export function gainsAndLosses(before: readonly string[], after: readonly string[]): string {
  const gains = after.filter(item => !before.includes(item)).map(item => `+${item}`)
  const losses = before.filter(item => !after.includes(item)).map(item => `-${item}`)
  return [...gains, ...losses].join(' ')
}
