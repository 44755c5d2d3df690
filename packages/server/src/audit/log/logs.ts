import { EMPTY_ROOT, parseCheckpoint, partNote, signNote, statementLine } from '@valetkey/sdk/evidence'
import type { Store } from '../../store/index.ts'
import { ENVIRONMENT_LOG } from '../entry.ts'
import type { Ledger, LogState } from '../ledger.ts'
import { acceptLoss } from './acceptance.ts'
import { createAnchor } from './anchor.ts'
import { createFactsWatch } from './facts-watch.ts'
import { type LogKeys, loadLogKeys, type Rotation, reloadLogKeys, rotateLogKey } from './keys.ts'
import { openMemory } from './memory.ts'
import { createSealer } from './sealer.ts'
import { createTrees, type Trees } from './trees.ts'
import { createWitnessClient } from './witness-client.ts'

/** A witness: the key that it cosigns with, and where it answers. */
export interface WitnessAddress {
  vkey: string
  url: string
}

export interface LogsOptions {
  store: Store
  ledger: Ledger
  /** Taken at the first start; the logs keep their names for ever. */
  origin: string
  /** Where it is remembered what was signed; none for a store that is gone with the process. */
  memoryPath: string | undefined
  witnesses: readonly WitnessAddress[]
  now(): number
  onError(error: unknown): void
}

/** The logs of this environment: their trees, their signatures, and what is proved by them. */
export interface Logs {
  /** Takes what is stored into the trees and signs them. */
  seal(): Promise<void>
  /** Has witnesses cosign what moved since the last time, and notes all heads in a log of their own. */
  anchor(): Promise<void>
  list(): Promise<LogState[]>
  /** The newest generation of a log; undefined before its first entry. */
  find(name: string): Promise<LogState | undefined>
  originOf(log: Pick<LogState, 'name' | 'generation'>): string
  /** A checkpoint of a log under the keys of today. */
  renewed(log: LogState, note: string): Promise<string>
  /** The public keys of a log, the present one first. */
  vkeys(log: Pick<LogState, 'name' | 'generation'>): string[]
  /** What a witness is told to trust, for all logs of this environment: one line a key, and one for each statement. */
  trust(): string[]
  /** What was said of each key when it came, as signed notes, oldest first. */
  statements(): readonly string[]
  /** Keys of the witnesses that are asked. */
  readonly witnesses: readonly string[]
  readonly trees: Trees
  /** Entries from one index to another, the second excluded. */
  entries: Ledger['entries']
  /** Signs a text that is no checkpoint with the keys of a log. */
  signText(log: Pick<LogState, 'name' | 'generation'>, text: string): string
  /** Makes a new key the one that signs, on every node with its next checkpoint. */
  rotateKey(rotation: Rotation): Promise<void>
  close(): Promise<void>
}

const ORIGIN_SETTING = 'evidence_origin'

/** Opens the logs, and holds them against what was signed before: `audit.rolled_back` where they fell behind it. */
export async function createLogs(options: LogsOptions): Promise<Logs> {
  const { store, ledger, memoryPath, witnesses, now, onError } = options
  const origin = await keepOrigin(store, options.origin)
  let keys: LogKeys = await loadLogKeys(store, now)
  const memory = await openMemory(memoryPath)
  const trees = createTrees(ledger)
  const sealer = createSealer({ ledger, trees, memory, keys: () => keys, origin })
  const facts = createFactsWatch(store, memory)
  try {
    if (memoryPath !== undefined) await acceptLoss(memoryPath, { ledger, sealer, facts, memory, origin, now })
    await facts.check()
    await sealer.check()
  } catch (error) {
    await memory.close()
    throw error
  }
  const clients = witnesses.map(address => createWitnessClient({ ...address, onForgotten: onError }))
  const anchor = createAnchor({ ledger, sealer, trees, witnesses: clients, now, onError })
  return {
    async seal() {
      keys = await reloadLogKeys(store, keys)
      await sealer.seal()
      await facts.remember()
    },
    async anchor() {
      keys = await reloadLogKeys(store, keys)
      await anchor()
    },
    list: () => ledger.logs(),
    find: async name => (await ledger.logs([name])).at(-1),
    originOf: sealer.originOf,
    renewed: sealer.renewed,
    vkeys: log => keys.vkeys(sealer.originOf(log)),
    trust: () => [...keys.present.map(key => `${origin}/*+${key}`), ...keys.statements.map(statementLine)],
    statements: () => keys.statements,
    witnesses: witnesses.map(({ vkey }) => vkey),
    trees,
    entries: ledger.entries,
    signText: (log, text) => signNote(text, keys.signers(sealer.originOf(log))),
    async rotateKey(rotation) {
      const environment = (await ledger.logs([ENVIRONMENT_LOG])).at(-1)
      const named = { origin: sealer.originOf(environment ?? { name: ENVIRONMENT_LOG, generation: 1 }) }
      const at = environment?.note
        ? parseCheckpoint(partNote(environment.note).text)
        : { ...named, size: 0, root: EMPTY_ROOT }
      await store.write(tx => rotateLogKey(store, tx, rotation, { prefix: `${origin}/`, at, now: now() }))
      keys = await loadLogKeys(store, now)
    },
    close: () => memory.close(),
  }
}

/** A log that changed its name would be another log. */
async function keepOrigin(store: Store, origin: string): Promise<string> {
  return store.write(async tx => {
    await tx
      .insertInto('setting')
      .values({ key: ORIGIN_SETTING, value: origin })
      .onConflict(conflict => conflict.doNothing())
      .execute()
    const { value } = await tx
      .selectFrom('setting')
      .select('value')
      .where('key', '=', ORIGIN_SETTING)
      .executeTakeFirstOrThrow()
    return value
  })
}
