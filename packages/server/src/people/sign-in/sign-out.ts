import { record } from '../../audit/index.ts'
import { endSessions } from '../../directory/index.ts'
import type { Tx } from '../../store/index.ts'

/** Ends all sessions of a person, and records who did it. */
export async function signOutEverywhere(
  tx: Tx,
  { id, organizationId: organization }: { id: string; organizationId: string },
  { actor, reason, now }: { actor: string; reason: string; now: number },
): Promise<void> {
  await endSessions(tx, id)
  const event = { organization, type: 'person.signed_out_everywhere', actor, target: id }
  await record(tx, { ...event, detail: { reason } }, now)
}
