import type { ProviderRow } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import type { Origin } from '../sign-in/parts.ts'
import type { Said } from './said.ts'
import { copySession, noteSession, type SaidOfSession } from './sessions.ts'

/** What is kept with the session, while the person still has a second factor to show: it travels sealed. */
export function textOfSaid(
  provider: ProviderRow,
  person: string,
  { signOutName, sid, logout }: Said,
  saidAt: number,
): string {
  const said: SaidOfSession = {
    ...{ organization: provider.organizationId, provider: provider.id, person },
    ...{ signOutName, sid, logout, saidAt },
  }
  return JSON.stringify(said)
}

/** Keeps with a session what its provider said; for one that takes the place of another, what was kept with that one. */
export async function keepSaid(
  { store, now }: { store: Store; now(): number },
  session: string,
  { said, session: before }: Origin,
): Promise<void> {
  if (said !== undefined) await noteSession(store, session, JSON.parse(said) as SaidOfSession, now())
  else if (before !== undefined) await copySession(store, before.id, session, now())
}
