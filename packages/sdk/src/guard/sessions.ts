import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Caller } from '../engine/index.ts'

const MOST_SESSIONS = 100_000
const MOST_TASKS = 100_000

/**
 * Binds what the 2025-11-25 era lets a client name (sessions, event ids, tasks) to whom it was given: a handle is a
 * name, not a right, and somebody else's does not exist.
 */
export interface Sessions {
  bind(session: string, caller: Caller): void
  owns(session: string, caller: Caller): boolean
  end(session: string): void
  /** The id of an event as this caller may name it later, and back; undefined for one it was never given. */
  toEventId(id: string, session: string | undefined, caller: Caller): string
  fromEventId(id: string, session: string | undefined, caller: Caller): string | undefined
  bindTask(task: string, caller: Caller): void
  ownsTask(task: string, caller: Caller): boolean
}

export function createSessions(): Sessions {
  const sessions = new Map<string, string>()
  const tasks = new Map<string, string>()
  // Lost with the process, as sessions are: a client then begins anew.
  const key = randomBytes(32)
  const seal = (id: string, session: string | undefined, caller: Caller) =>
    createHmac('sha256', key)
      .update(JSON.stringify([id, session ?? null, principalOf(caller)]))
      .digest('base64url')
      .slice(0, 22)
  return {
    bind: (session, caller) => keep(sessions, session, principalOf(caller), MOST_SESSIONS),
    owns: (session, caller) => sessions.get(session) === principalOf(caller),
    end: session => void sessions.delete(session),
    toEventId: (id, session, caller) => `${seal(id, session, caller)}.${id}`,
    fromEventId(tagged, session, caller) {
      const id = tagged.slice(23)
      const expected = Buffer.from(seal(id, session, caller))
      const given = Buffer.from(tagged.slice(0, 22))
      return tagged[22] === '.' && given.length === expected.length && timingSafeEqual(given, expected)
        ? id
        : undefined
    },
    bindTask(task, caller) {
      // Whose answer names it first is who began it.
      if (!tasks.has(task)) keep(tasks, task, principalOf(caller), MOST_TASKS)
    },
    ownsTask: (task, caller) => tasks.get(task) === principalOf(caller),
  }
}

function principalOf(caller: Caller): string {
  const { organization, agent, client, person, grant, chain, fingerprint } = caller
  return JSON.stringify([organization, agent, client, person, grant, chain, fingerprint])
}

function keep(map: Map<string, string>, name: string, owner: string, most: number): void {
  map.set(name, owner)
  if (map.size > most) map.delete(map.keys().next().value ?? '')
}
