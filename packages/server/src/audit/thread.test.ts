import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, expect, test } from 'vitest'
import { attempt } from '../../../../tests/storage/audit-samples.ts'
import { checkedShipments } from '../../../../tests/storage/shipping.ts'
import { toBatch } from './entry.ts'
import { openSqliteLedger } from './sqlite-ledger.ts'
import { startThread } from './thread.ts'

const directory = mkdtempSync(join(tmpdir(), 'valetkey-audit-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
let files = 0
const newFile = () => join(directory, `${++files}.db`)

const calls = (first: number, count: number) =>
  toBatch(
    'pnt_1',
    1,
    checkedShipments(
      'pnt_1',
      1,
      Array.from({ length: count }, (_, index) => attempt(first + index)),
    ),
    0,
  )

test('a killed thread fails what waits for it, and the next call starts another on what was committed', async () => {
  const thread = startThread(newFile(), 'write')
  await thread.ingest(calls(1, 10))
  const waiting = [thread.ingest(calls(11, 3000)), thread.query('select 1', [])]
  const settled = Promise.allSettled(waiting)
  await thread.worker()?.terminate()
  expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const [{ count = 0 } = {}] = (await thread.query('select count(*) as count from audit_call', [])) as {
    count?: number
  }[]
  expect([10, 3010]).toContain(count)
  expect(await thread.ingest(calls(1, 3010))).toMatchObject({ counter: 3010, missing: 0, conflicts: 0 })
  await thread.close()
  await expect(thread.query('select 1', [])).rejects.toThrow('closed')
})

test('a full disk refuses the whole batch, keeps what was there, and takes the same batch when space returns', async () => {
  const thread = startThread(newFile(), 'write')
  await thread.ingest(calls(1, 20))
  await thread.query('pragma max_page_count = 60', [])
  await expect(thread.ingest(calls(21, 500))).rejects.toMatchObject({ code: 'SQLITE_FULL' })
  expect(await thread.query('select count(*) as count from audit_call', [])).toEqual([{ count: 20 }])
  expect(await thread.query('select highest from audit_point', [])).toEqual([{ highest: 20 }])
  await thread.query('pragma max_page_count = 100000', [])
  expect(await thread.ingest(calls(21, 500))).toMatchObject({ accepted: 500, counter: 520, missing: 0 })
  await thread.close()
})

test('audit.unavailable: a file that cannot be opened, and one of a newer program', async () => {
  await expect(openSqliteLedger(join(directory, 'missing', 'audit.db'))).rejects.toMatchObject({
    code: 'audit.unavailable',
  })
  const path = newFile()
  const newer = new Sqlite(path)
  newer.pragma('user_version = 99')
  newer.close()
  await expect(openSqliteLedger(path)).rejects.toMatchObject({
    code: 'audit.unavailable',
    cause: expect.objectContaining({ message: expect.stringContaining('Start the newer program') }),
  })
})

test('a question that takes long holds up neither the event loop nor what is shipped meanwhile', async () => {
  const ledger = await openSqliteLedger(newFile())
  await ledger.ingest(calls(1, 4000))
  await ledger.db.selectFrom('auditPoint').selectAll().execute()
  let longest = 0
  let last = performance.now()
  const beat = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  let isAnswered = false
  // Eight million pairs.
  const question = ledger.db
    .selectFrom(['auditCall as a', 'auditCall as b'])
    .select(eb => eb.fn.countAll<number>().as('pairs'))
    .whereRef('a.seq', '<', 'b.seq')
    .executeTakeFirstOrThrow()
    .then(({ pairs }) => {
      isAnswered = true
      return pairs
    })
  await ledger.ingest(calls(4001, 64))
  expect(isAnswered).toBe(false)
  expect(await question).toBeGreaterThanOrEqual((4000 * 3999) / 2)
  clearInterval(beat)
  expect(longest).toBeLessThan(500)
  await ledger.close()
})
