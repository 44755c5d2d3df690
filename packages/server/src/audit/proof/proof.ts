import type { AdminApi, Output, Parsed } from '@valetkey/sdk/contract'
import { parseCheckpoint, partNote } from '@valetkey/sdk/evidence'
import type { Store } from '../../store/index.ts'
import { ENVIRONMENT_LOG, HEADS_LOG } from '../entry.ts'
import type { Ledger, LogState } from '../ledger.ts'
import type { Logs } from '../log/logs.ts'
import { findOrganization } from '../question/resolve.ts'
import { record } from '../record.ts'
import { type Erased, type ErasureWish, eraseEvidence } from './erase.ts'
import { type ExportQuery, exportEvidence } from './export.ts'
import { findLog } from './find-log.ts'
import { receiptFor, type WrittenReceipt } from './receipts.ts'
import { readTileFile, type TileFile } from './tiles.ts'

export interface ProofParts {
  store: Store
  ledger: Ledger
  logs: Logs
  /** All that was recorded before is stored and signed when it resolves. */
  flush(): Promise<void>
  now(): number
}

/** What others are given to check the evidence by themselves. */
export interface Proof {
  logs(query: Parsed<AdminApi['evidence']['logs']>): Promise<Output<AdminApi['evidence']['logs']>>
  /** A bundle as it is written; that it was asked for goes on record, in the same log. */
  export(query: ExportQuery, actor: string): Promise<AsyncGenerator<string>>
  receipt(id: string): Promise<WrittenReceipt>
  /** A file of a log, by its path below all logs; undefined where there is none. */
  tile(path: string): Promise<TileFile | undefined>
  erase(wish: ErasureWish, actor: string): Promise<Erased>
  rotateKey(
    wish: Parsed<AdminApi['evidence']['rotateKey']>,
    actor: string,
  ): Promise<Output<AdminApi['evidence']['rotateKey']>>
}

export function createProof(parts: ProofParts): Proof {
  const { store, ledger, logs, flush, now } = parts
  /** So that what was recorded up to now is signed, and seen by the witnesses that answer. */
  async function settle(): Promise<void> {
    await flush()
    if (logs.witnesses.length > 0) await logs.anchor()
  }
  return {
    async logs({ organization, log }) {
      const name =
        log ?? (organization === undefined ? undefined : await findOrganization(store.db, organization))
      const all = await logs.list()
      const items = all.filter(each => name === undefined || each.name === name)
      return {
        items: await Promise.all(items.map(each => toView(logs, each))),
        trust: logs.trust(),
        witnesses: [...logs.witnesses],
      }
    },
    async export(query, actor) {
      const { name, generation } = await findLog(logs, store.db, query)
      const organization = name === ENVIRONMENT_LOG || name === HEADS_LOG ? null : name
      const target = logs.originOf({ name, generation })
      const detail = { query: JSON.parse(JSON.stringify(query)) }
      await store.write(tx =>
        record(tx, { organization, type: 'evidence.exported', actor, target, detail }, now()),
      )
      await settle()
      return exportEvidence({ ledger, logs, db: store.db, now }, query, actor)
    },
    async receipt(id) {
      await settle()
      return receiptFor(ledger, logs, id)
    },
    tile: path => readTileFile({ ledger, logs }, path),
    erase: (wish, actor) => eraseEvidence(parts, wish, actor),
    async rotateKey(wish, actor) {
      await logs.rotateKey({ ...wish, actor })
      await flush()
      return { trust: logs.trust() }
    },
  }
}

async function toView(
  logs: Logs,
  log: LogState,
): Promise<Output<AdminApi['evidence']['logs']>['items'][number]> {
  const { name, generation, entries, note, cosigned } = log
  const sizeOf = (text: string | null) => (text === null ? 0 : parseCheckpoint(partNote(text).text).size)
  return {
    ...{ name, generation, entries, origin: logs.originOf(log), keys: logs.vkeys(log) },
    ...{ signed: sizeOf(note), cosigned: sizeOf(cosigned) },
    checkpoint: note && (await logs.renewed(log, note)),
  }
}
