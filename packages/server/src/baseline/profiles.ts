import { isoTime } from '@valetkey/sdk/core'
import type { Store, Tx } from '../store/index.ts'
import { newProfile, Profile } from './profile.ts'

/** An agent with what it usually does. */
export interface KnownAgent {
  id: string
  organization: string
  name: string
  profile: Profile
  isChanged: boolean
}

const MOST_KNOWN = 5_000
const ROWS_A_TIME = 100

/** Profiles of agents as they are worked on: read when an agent is met, written when progress is noted. */
export function createProfiles(store: Store) {
  /** Null for what is no agent of the organization: a point may say anything. */
  let known = new Map<string, KnownAgent | null>()
  const keyOf = (organization: string, agent: string) => `${organization} ${agent}`

  async function load(organization: string, ids: readonly string[]): Promise<void> {
    const rows = await store.db
      .selectFrom('principal')
      .leftJoin('agentProfile', 'agentProfile.agentId', 'principal.id')
      .select(['principal.id', 'principal.name', 'agentProfile.profile'])
      .where('principal.organizationId', '=', organization)
      .where('principal.kind', '=', 'agent')
      .where('principal.id', 'in', ids)
      .execute()
    for (const id of ids) known.set(keyOf(organization, id), null)
    for (const { id, name, profile } of rows)
      known.set(keyOf(organization, id), {
        ...{ id, organization, name, isChanged: false },
        profile: profile === null ? newProfile() : Profile.parse(JSON.parse(profile)),
      })
  }

  return {
    /** Makes sure that all of these are at hand, or known to be none. */
    async meet(organization: string, ids: readonly string[]): Promise<void> {
      const missing = [...new Set(ids)].filter(id => !known.has(keyOf(organization, id)))
      for (let at = 0; at < missing.length; at += ROWS_A_TIME)
        await load(organization, missing.slice(at, at + ROWS_A_TIME))
    },
    find: (organization: string, id: string) => known.get(keyOf(organization, id)) ?? undefined,
    changed: () => [...known.values()].filter(agent => agent?.isChanged).length,
    /** Writes what has changed. Call `saved` once that is committed. */
    async save(tx: Tx, now: number): Promise<KnownAgent[]> {
      const changed = [...known.values()].flatMap(agent => (agent?.isChanged ? agent : []))
      for (const { id, organization, profile } of changed) {
        const values = { profile: JSON.stringify(profile), updatedAt: isoTime(now) }
        await tx
          .insertInto('agentProfile')
          .values({ agentId: id, organizationId: organization, ...values })
          .onConflict(conflict => conflict.column('agentId').doUpdateSet(values))
          .execute()
      }
      return changed
    },
    saved(agents: readonly KnownAgent[]): void {
      for (const agent of agents) agent.isChanged = false
      // What is not needed any more is read again when it is.
      if (known.size > MOST_KNOWN) known = new Map()
    },
    /** Another node has worked on them meanwhile. */
    forget(): void {
      known = new Map()
    },
  }
}

export type Profiles = ReturnType<typeof createProfiles>
