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

/** What is known here of the log of one organization. */
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
  const rounds = createRounds(organization => readOn(store, followed, organization), onFault)

  async function poll(): Promise<void> {
    if (followed.size === 0 || rounds.isRunning()) return
    const rows = await store.db
      .selectFrom('organization')
      .where('id', 'in', [...followed.keys()])
      .select(['id', 'revision'])
      .execute()
    await rounds.run(
      rows.filter(({ id, revision }) => followed.get(id)?.head !== revision).map(({ id }) => id),
    )
  }

  /** What this node has changed itself need not be read. */
  function take(change: Change): boolean {
    const state = followed.get(change.organization)
    if (!state || !append(state, change)) return false
    for (const listener of state.listeners) listener(change.organization)
    return true
  }

  const unhook = store.onChange((organizations, changes = []) => {
    if (!organizations) return void poll().catch(onFault)
    const taken = changes.filter(take).map(({ organization }) => organization)
    void rounds.run(organizations.filter(id => followed.has(id) && !taken.includes(id)))
  })
  const timer = setInterval(() => void poll().catch(onFault), pollMs)
  timer.unref()

  return {
    follow(organizations, onAdvance) {
      const ids = [...organizations]
      const isNew = ids.filter(id => listenTo(followed, id, onAdvance))
      void rounds.run(isNew)
      return () => {
        for (const id of ids) {
          const state = followed.get(id)
          state?.listeners.delete(onAdvance)
          if (state?.listeners.size === 0) followed.delete(id)
        }
      }
    },
    after(organization, revision) {
      const known = fromMemory(followed.get(organization), revision)
      if (known) return known
      return readTail(store.db, organization, revision).then(tail => (tail === 'gone' ? tail : tail.changes))
    },
    head: organization => readHead(store, organization),
    close() {
      unhook()
      clearInterval(timer)
      followed.clear()
    },
  }
}

/** Reads on in the log of an organization, and tells who listens. True where there is more than was read. */
async function readOn(
  store: Store,
  followed: ReadonlyMap<string, Followed>,
  organization: string,
): Promise<boolean> {
  const state = followed.get(organization)
  if (!state) return false
  const tail = state.head === undefined ? 'gone' : await readTail(store.db, organization, state.head)
  if (tail === 'gone') {
    const head = await readHead(store, organization)
    state.recent = []
    state.head = head
  } else if (tail.changes.length === 0) return false
  else for (const change of tail.changes) append(state, change)
  for (const listener of state.listeners) listener(organization)
  return tail !== 'gone' && (state.head ?? 0) < tail.head
}

/** False where it is not the next one: what lies between has to be read first, and what is known already is not needed. */
function append(state: Followed, change: Change): boolean {
  if (state.head !== change.revision - 1) return false
  state.recent = [...state.recent, change].slice(-MOST_RECENT)
  state.head = change.revision
  return true
}

async function readHead(store: Store, organization: string): Promise<number> {
  const row = await store.db
    .selectFrom('organization')
    .where('id', '=', organization)
    .select('revision')
    .executeTakeFirst()
  return row?.revision ?? 0
}

/** What follows a revision, where it is held here; undefined where the database has to be asked. */
function fromMemory(state: Followed | undefined, revision: number): readonly Change[] | undefined {
  if (state?.head === undefined) return undefined
  if (state.head === revision) return []
  const oldest = state.recent[0]?.revision
  const isHeld = oldest !== undefined && revision >= oldest - 1 && revision < state.head
  return isHeld ? state.recent.slice(revision - oldest + 1) : undefined
}

/** True where nobody listened to this organization before. */
function listenTo(
  followed: Map<string, Followed>,
  organization: string,
  listener: (organization: string) => void,
): boolean {
  const state = followed.get(organization)
  if (state) state.listeners.add(listener)
  else followed.set(organization, { head: undefined, recent: [], listeners: new Set([listener]) })
  return !state
}

/** Works through organizations, one at a time and each once however often it was named meanwhile. */
function createRounds(
  advance: (organization: string) => Promise<boolean>,
  onFault: (fault: unknown) => void,
) {
  const pending = new Set<string>()
  let isRunning = false
  return {
    isRunning: () => isRunning,
    async run(organizations: Iterable<string>): Promise<void> {
      for (const organization of organizations) pending.add(organization)
      if (isRunning) return
      isRunning = true
      try {
        for (const organization of pending) {
          pending.delete(organization)
          if (await advance(organization)) pending.add(organization)
        }
      } catch (fault) {
        onFault(fault) // The next look finds the same organizations behind and tries again.
      } finally {
        isRunning = false
      }
    },
  }
}
