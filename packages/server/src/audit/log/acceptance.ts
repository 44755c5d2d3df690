import { existsSync, renameSync } from 'node:fs'
import { isoTime, newId } from '@valetkey/sdk/core'
import { ENVIRONMENT_LOG, eventEntry, HEADS_LOG } from '../entry.ts'
import type { Ledger } from '../ledger.ts'
import type { FactsWatch } from './facts-watch.ts'
import { type CheckpointMemory, openMemory } from './memory.ts'
import type { Sealer } from './sealer.ts'

/** How an operator says that a loss is known and accepted: by giving the memory of what was signed this ending. */
const ACCEPTED = '.accepted'

interface AcceptanceParts {
  ledger: Ledger
  sealer: Sealer
  facts: FactsWatch
  /** What is remembered from now on. */
  memory: CheckpointMemory
  /** What all logs are named below. */
  origin: string
  now(): number
}

/**
 * Goes on after a loss that an operator has accepted. A log that fell behind what was signed can never be continued
 * under its name without two histories: it ends where it is, and another generation begins, whose first entry says so.
 */
export async function acceptLoss(memoryPath: string, parts: AcceptanceParts): Promise<void> {
  const path = `${memoryPath}${ACCEPTED}`
  if (!existsSync(path)) return
  const lost = await openMemory(path)
  try {
    await beginMissing(lost, parts)
    await endLost(lost, parts)
    await recordFacts(lost, parts)
  } finally {
    await lost.close()
  }
  renameSync(path, `${path}.${parts.now()}`)
}

async function endLost(lost: CheckpointMemory, parts: AcceptanceParts): Promise<void> {
  const { ledger, sealer, memory, now } = parts
  for (const log of await ledger.logs()) {
    const origin = sealer.originOf(log)
    const signed = lost.get(origin)
    if (!signed) continue
    if (await sealer.isContinued(log, signed)) {
      await memory.put([{ origin, ...signed }])
      continue
    }
    await ledger.beginGeneration(log.name)
    const at = isoTime(now())
    const detail = { origin, kept: log.size, signed: signed.size, root: signed.root.toString('base64') }
    const organization = log.name === ENVIRONMENT_LOG || log.name === HEADS_LOG ? null : log.name
    const event = { organization, type: 'log.restarted', actor: 'system', target: origin, detail }
    const entry = eventEntry({ ...event, id: newId('event', now()), at })
    await ledger.append([{ ...entry, log: log.name }])
  }
}

async function recordFacts(lost: CheckpointMemory, { ledger, facts, now }: AcceptanceParts): Promise<void> {
  const detail = await facts.loss(lost)
  if (!detail) return
  const event = { organization: null, type: 'facts.restored', actor: 'system', target: 'facts', detail }
  await ledger.append([eventEntry({ ...event, id: newId('event', now()), at: isoTime(now()) })])
}

/** A log of which nothing is left is there again, empty: so it has lost something like any other, and its name is not taken twice. */
async function beginMissing(
  lost: CheckpointMemory,
  { ledger, sealer, origin }: AcceptanceParts,
): Promise<void> {
  for (const [known, { size }] of lost.all()) {
    const [name = '', generation = '1'] = known.slice(origin.length + 1).split('/')
    if (size === 0 || known !== sealer.originOf({ name, generation: Number(generation) })) continue
    const there = (await ledger.logs([name])).at(-1)?.generation ?? 0
    for (let begun = there; begun < Number(generation); begun++) await ledger.beginGeneration(name)
  }
}
