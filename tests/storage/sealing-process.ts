import { writeSync } from 'node:fs'
import { toBatch } from '../../packages/server/src/audit/entry.ts'
import type { Ledger } from '../../packages/server/src/audit/ledger.ts'
import { createLogs } from '../../packages/server/src/audit/log/logs.ts'
import { openPostgresLedger } from '../../packages/server/src/audit/postgres/ledger.ts'
import { openSqliteLedger } from '../../packages/server/src/audit/sqlite/ledger.ts'
import { createTerms } from '../../packages/server/src/audit/terms.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { attempt } from './audit-samples.ts'
import { checkedShipments } from './shipping.ts'

/**
 * A node that stores, grows trees, signs and anchors, and is killed before or after one step of it. Says on its output
 * what was acknowledged and what was signed.
 */
interface Orders {
  url: string
  path: string
  memoryPath: string
  point: string
  first: number
  step: 'ingest' | 'grow' | 'keepNotes' | 'append'
  when: 'before' | 'after'
  /** Which time that the step is taken. */
  turn: number
}
const orders = JSON.parse(process.argv[2] ?? '{}') as Orders
const NOW = Date.UTC(2026, 8, 30)
const now = () => NOW

const store = await openStore({ url: orders.url, masterKey: new Uint8Array(32).fill(7) })
const secret = store.instanceId
const options = { secret, now, headRecords: 60, onError: say }
const ledger =
  store.dialect === 'sqlite'
    ? await openSqliteLedger({ ...options, path: orders.path })
    : await openPostgresLedger(store, options)
const dying = dieAt(ledger, orders)
const logs = await createLogs({
  ...{ store, ledger: dying, origin: 'auth.test/log', memoryPath: orders.memoryPath },
  ...{ witnesses: [], now, onError: say },
})
const terms = createTerms(secret)
for (let round = 0, counter = orders.first; ; round++, counter += 20) {
  const records = Array.from({ length: 20 }, (_, i) =>
    attempt(counter + i, { id: `dec_${orders.point}_${counter + i}` }),
  )
  const shipments = checkedShipments(orders.point, 1, records)
  await dying.ingest([toBatch({ point: orders.point, epoch: 1, receivedAt: NOW }, shipments, terms)])
  say({ acknowledged: counter + 19 })
  await logs.seal()
  say({ checkpoint: (await ledger.logs(['org_nw'])).at(-1)?.note })
  if (round % 2 === 1) await logs.anchor()
}

function say(what: unknown): void {
  writeSync(1, `${JSON.stringify(what instanceof Error ? { error: what.message } : what)}\n`)
}

/** The ledger itself, in a process that ends without a word at one of its steps. */
function dieAt(whole: Ledger, { step, when, turn }: Orders): Ledger {
  let times = 0
  const work = whole[step] as (...input: unknown[]) => Promise<unknown>
  return {
    ...whole,
    async [step](...input: unknown[]) {
      const isTurn = ++times === turn
      if (isTurn && when === 'before') process.kill(process.pid, 'SIGKILL')
      const value = await work(...input)
      if (isTurn) process.kill(process.pid, 'SIGKILL')
      return value
    },
  }
}
