import { isoTime, type JsonObject, newId } from '@valetkey/sdk/core'
import { prepareInsert, send, type Tx } from '../store/index.ts'
import { currentTrace } from './trace.ts'

/** Something that was done to the policy, the identities or the settings. */
export interface ChangeEvent {
  /** The organization it concerns; null for the catalogue and the environment. */
  organization: string | null
  /** `thing.verb`, for example `agent.suspended`. */
  type: string
  /** Id of who did it. */
  actor: string
  /** Id of what it was done to. */
  target: string
  /** What changed, before and after; never a secret. */
  detail?: JsonObject
  /** The trace that it was part of, if any; that of the request that is being answered, where nothing is said. */
  trace?: string | null
}

/**
 * Records a change in the transaction that makes it, so that neither exists without the other. A worker moves it on
 * to the audit store, idempotent by its id.
 */
export function record(tx: Tx, event: ChangeEvent, now: number): Promise<void> {
  return recordAll(tx, [event], now)
}

/** Records many changes, at the cost of about one. */
export function recordAll(tx: Tx, events: readonly ChangeEvent[], now: number): Promise<void> {
  const rows = events.map(event => toRow(event, now))
  return send(tx, insertRows(tx, rows))
}

const insertRows = prepareInsert('auditOutbox', ['id', 'organizationId', 'at', 'body'])

function toRow(event: ChangeEvent, now: number) {
  const { organization, type, actor, target, detail = {}, trace = currentTrace() } = event
  const id = newId('event', now)
  const at = isoTime(now)
  const body = JSON.stringify({
    id,
    at,
    organization,
    type,
    actor,
    target,
    detail,
    trace: trace ?? undefined,
  })
  return { id, organizationId: organization, at, body }
}
