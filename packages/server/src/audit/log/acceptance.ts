import { existsSync, renameSync } from 'node:fs'
import { isoTime, newId } from '@valetkey/sdk/core'
import { ENVIRONMENT_LOG, eventEntry, HEADS_LOG } from '../entry.ts'
import type { Ledger } from '../ledger.ts'
import type { FactsWatch } from './facts-watch.ts'
import { type CheckpointMemory, openMemory } from './memory.ts'
import type { Sealer } from './sealer.ts'

/** How an operator says that a loss is known and accepted: by giving the memory of what was signed this ending. */
const ACCEPTED = '.accepted'

/**
 * Goes on after a loss that an operator has accepted. A log that fell behind what was signed can never be continued
 * under its name without two histories: it ends where it is, and another generation begins, whose first entry says so.
 */
export async function acceptLoss(
  memoryPath: string,
  { ledger, sealer, facts, now }: { ledger: Ledger; sealer: Sealer; facts: FactsWatch; now(): number },
): Promise<void> {
  const path = `${memoryPath}${ACCEPTED}`
  if (!existsSync(path)) return
  const lost: CheckpointMemory = openMemory(path)
  for (const log of await ledger.logs()) {
    const origin = sealer.originOf(log)
    const signed = lost.get(origin)
    if (!signed || (await sealer.isContinued(log, signed))) continue
    await ledger.beginGeneration(log.name)
    const at = isoTime(now())
    const detail = { origin, kept: log.size, signed: signed.size, root: signed.root.toString('base64') }
    const organization = log.name === ENVIRONMENT_LOG || log.name === HEADS_LOG ? null : log.name
    const event = { organization, type: 'log.restarted', actor: 'system', target: origin, detail }
    const entry = eventEntry({ ...event, id: newId('event', now()), at })
    await ledger.append([{ ...entry, log: log.name }])
  }
  const behind = await facts.loss(lost)
  if (behind) {
    const at = isoTime(now())
    const event = {
      organization: null,
      type: 'facts.restored',
      actor: 'system',
      target: 'facts',
      detail: behind,
    }
    await ledger.append([eventEntry({ ...event, id: newId('event', now()), at })])
  }
  lost.close()
  renameSync(path, `${path}.${now()}`)
}
