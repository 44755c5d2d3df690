import type { Change } from '@valetkey/sdk/core'
import { readTail } from '../directory/index.ts'
import type { Store } from '../store/index.ts'

/** One per node: reads every followed organization's log once, however many subscribers there are. */
export interface Follower {
  /** Follows organizations until the returned function is called; `onAdvance` hears which of them moved on. */
  follow(organizations: Iterable<string>, onAdvance: (organization: string) => void): () => void
  /**
   * What follows a revision, from memory where it is there (then without a pause, so that all subscribers are served in
   * the same turn) and else from the database. Empty where there is nothing yet.
   */
  after(organization: string, revision: number): readonly Change[] | Promise<readonly Change[] | 'gone'>
  /** The newest revision that is known here. */
  head(organization: string): Promise<number>
  close(): void
}

interface Followed {
  /** Undefined until it was read for the first time; what subscribers ask meanwhile is read from the database. */
  head: number | undefined
  /** The newest changes, without a gap, up to the head. */
  recent: Change[]
  listeners: Set<(organization: string) => void>
}

const MOST_RECENT = 256

/**
 * Wakes at the store's hint, and looks at the revisions every `pollMs` with one query for when a hint was lost. Revisions
 * of an organization become visible in order, so reading on from the last one misses none.
 */
export function createFollower(store: Store, pollMs: number, onFault: (fault: unknown) => void): Follower {
  const followed = new Map<string, Followed>()
  const pending = new Set<string>()
  let running = false

  async function run(): Promise<void> {
    if (running) return
    running = true
    try {
      for (const organization of pending) {
        pending.delete(organization)
        await advance(organization)
      }
    } catch (fault) {
      onFault(fault) // The next look finds the same organizations behind and tries again.
    } finally {
      running = false
    }
  }

  async function advance(organization: string): Promise<void> {
    const state = followed.get(organization)
    if (!state) return
    const tail = state.head === undefined ? 'gone' : await readTail(store.db, organization, state.head)
    if (tail === 'gone') {
      state.recent = []
      state.head = await readHead(organization)
    } else if (tail.changes.length === 0) return
    else {
      state.recent = [...state.recent, ...tail.changes].slice(-MOST_RECENT)
      state.head = tail.changes.at(-1)?.revision ?? tail.head
      if (state.head < tail.head) pending.add(organization)
    }
    for (const listener of state.listeners) listener(organization)
  }

  async function readHead(organization: string): Promise<number> {
    const row = await store.db
      .selectFrom('organization')
      .where('id', '=', organization)
      .select('revision')
      .executeTakeFirst()
    return row?.revision ?? 0
  }

  async function poll(): Promise<void> {
    if (followed.size === 0 || running) return
    const rows = await store.db
      .selectFrom('organization')
      .where('id', 'in', [...followed.keys()])
      .select(['id', 'revision'])
      .execute()
    for (const { id, revision } of rows) if (followed.get(id)?.head !== revision) pending.add(id)
    await run()
  }

  const unhook = store.onChange(organizations => {
    if (!organizations) return void poll().catch(onFault)
    for (const organization of organizations) if (followed.has(organization)) pending.add(organization)
    void run()
  })
  const timer = setInterval(() => void poll().catch(onFault), pollMs)
  timer.unref()

  return {
    follow(organizations, onAdvance) {
      const ids = [...organizations]
      for (const id of ids) {
        const state = followed.get(id)
        if (state) state.listeners.add(onAdvance)
        else {
          followed.set(id, { head: undefined, recent: [], listeners: new Set([onAdvance]) })
          pending.add(id)
        }
      }
      void run()
      return () => {
        for (const id of ids) {
          const state = followed.get(id)
          state?.listeners.delete(onAdvance)
          if (state?.listeners.size === 0) followed.delete(id)
        }
      }
    },
    after(organization, revision) {
      const state = followed.get(organization)
      if (state?.head === revision) return []
      const oldest = state?.recent[0]?.revision
      if (
        state?.head !== undefined &&
        oldest !== undefined &&
        revision >= oldest - 1 &&
        revision < state.head
      )
        return state.recent.slice(revision - oldest + 1)
      return readTail(store.db, organization, revision).then(tail => (tail === 'gone' ? tail : tail.changes))
    },
    head: readHead,
    close() {
      unhook()
      clearInterval(timer)
      followed.clear()
    },
  }
}
