import type { Tx } from '../store/index.ts'
import { toEvent } from './event.ts'
import type { EventName } from './happening.ts'
import { enqueue } from './queue.ts'

/** An agent that does otherwise than before. */
export interface Risk {
  organization: string
  agent: string
  at: number
  /** What raised it, and what it is known by elsewhere. */
  reason: string
  id: string
  actor: string
}

/** Tells every receiver of the organization that asks for it, in the transaction that raises the risk (CAEP 1.0, risk level change). */
export async function tellRisk(
  tx: Tx,
  { organization, agent, at, reason, id, actor }: Risk,
  { issuer, now }: { issuer: string; now: number },
): Promise<void> {
  const streams = await tx
    .selectFrom('signalStream')
    .innerJoin('signalReceiver', 'signalReceiver.id', 'signalStream.receiverId')
    .selectAll('signalStream')
    .select(['signalReceiver.audience', 'signalReceiver.subjects'])
    .where('signalStream.organizationId', '=', organization)
    .where('signalStream.status', '!=', 'disabled')
    .orderBy('signalStream.id')
    .execute()
  const happening = {
    ...{ event: 'risk-level-change' as const, whose: { agent }, reason },
    payload: { principal: 'APPLICATION', current_level: 'HIGH', risk_reason: reason },
  }
  for (const stream of streams) {
    const wanted = JSON.parse(stream.events) as EventName[]
    if (!wanted.includes('risk-level-change')) continue
    const { audience, subjects } = stream
    const event = toEvent(happening, { at, actor, txn: id }, { issuer, subjects })
    await enqueue(tx, stream, [event], { issuer, audience, now })
  }
}
