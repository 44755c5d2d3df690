import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, expect, test } from 'vitest'
import { attempt } from '../../../../../tests/storage/audit-samples.ts'
import { checkedShipments } from '../../../../../tests/storage/shipping.ts'
import { KIND, toBatch } from '../entry.ts'
import { createTerms } from '../terms.ts'
import type { FileSettings } from './file.ts'
import { openSqliteLedger } from './ledger.ts'
import { startThread } from './thread.ts'

const root = mkdtempSync(join(tmpdir(), 'valetkey-audit-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let files = 0
function newSettings(): FileSettings {
  const path = join(root, `${++files}`, 'evidence.db')
  return { path, access: 'write', secret: 'secret', headRecords: 100_000 }
}
const openLedger = (path: string) =>
  openSqliteLedger({ ...newSettings(), path, now: Date.now, onError: () => undefined })

const calls = (first: number, count: number) =>
  toBatch(
    { point: 'pnt_1', epoch: 1, receivedAt: Date.UTC(2026, 8, 2) },
    checkedShipments(
      'pnt_1',
      1,
      Array.from({ length: count }, (_, index) => attempt(first + index)),
    ),
    createTerms('secret'),
  )
const ALL = { filter: { kinds: [KIND.attempt] }, by: [], limit: 10 }

test('a killed thread fails what waits for it, and the next call starts another on what was committed', async () => {
  const thread = startThread(newSettings())
  await thread.ingest([calls(1, 10)])
  const waiting = [thread.ingest([calls(11, 1000)]), thread.summarize(ALL)]
  const settled = Promise.allSettled(waiting)
  await thread.worker()?.terminate()
  expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const { groups } = await thread.summarize(ALL)
  expect([10, 1010]).toContain(groups[0]?.passed)
  expect(await thread.ingest([calls(1, 1010)])).toMatchObject([{ counter: 1010, missing: 0, conflicts: 0 }])
  // Every record is in its log once, and behind them what the point vouched for.
  const [log] = await thread.logs()
  const entries = await thread.entries(log?.id ?? 0, 0, log?.entries ?? 0)
  const types = entries.map(({ entry }) =>
    'leaf' in entry ? (JSON.parse(entry.leaf) as { type: string }).type : '',
  )
  expect(types.filter(type => type === 'attempt')).toHaveLength(1010)
  await thread.close()
  await expect(thread.logs()).rejects.toThrow('closed')
})

test('audit.unavailable: a file that cannot be opened, and one of a newer program', async () => {
  const newer = newSettings().path
  await (await openLedger(newer)).close()
  const database = new Sqlite(newer)
  database.pragma('user_version = 99')
  database.close()
  await expect(openLedger(newer)).rejects.toMatchObject({
    code: 'audit.unavailable',
    cause: expect.objectContaining({ message: expect.stringContaining('Start the newer program') }),
  })
  // A file where there should be a directory.
  await expect(openLedger(join(newer, 'evidence.db'))).rejects.toMatchObject({ code: 'audit.unavailable' })
})

test('a question that takes long holds up neither the event loop nor what is shipped meanwhile', async () => {
  const ledger = await openLedger(newSettings().path)
  for (let first = 1; first <= 3000; first += 1000) await ledger.ingest([calls(first, 1000)])
  await ledger.summarize(ALL)
  let longest = 0
  let last = performance.now()
  const beat = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  let answered = 0
  const text = { ...ALL, filter: { kinds: [KIND.attempt], text: { all: ['nowhere to be found'], none: [] } } }
  // Each looks into every record.
  const questions = Array.from({ length: 6 }, () =>
    ledger.summarize(text).then(({ groups }) => {
      answered++
      return groups
    }),
  )
  await ledger.ingest([calls(3001, 64)])
  expect(answered).toBeLessThan(questions.length)
  expect((await Promise.all(questions)).flat()).toEqual([])
  clearInterval(beat)
  expect(longest).toBeLessThan(500)
  await ledger.close()
})
