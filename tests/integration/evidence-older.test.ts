import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openAudit } from '../../packages/server/src/audit/index.ts'
import { openStore } from '../../packages/server/src/store/index.ts'
import { attempt, insertNames } from '../storage/audit-samples.ts'
import { ship } from '../storage/shipping.ts'
import { NOW, verify } from './evidence-stage.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'valetkey-older-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const calls = (first: number, count: number) => Array.from({ length: count }, (_, i) => attempt(first + i))

/** Evidence in files, some of it in segments, opened again and again over the same facts. */
async function stage() {
  const store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(7) })
  await insertNames(store)
  const path = join(directory, 'evidence.db')
  return {
    path,
    open: () => openAudit({ store, path, origin: 'auth.test/log', now: () => NOW, headRecords: 200 }),
    [Symbol.asyncDispose]: () => store.close(),
  }
}

/** Does to the main file what somebody else did to it, or another version. */
function alter(path: string, statement: string): void {
  const database = new Sqlite(path)
  database.exec(statement)
  database.close()
}

test.each([
  ['without any tile of leaves', 'delete from tile where level = 0'],
  ['that a newer version had gone on with, behind a tile', 'delete from tile where level = 0 and number < 2'],
  [
    'that a newer version had gone on with, within a tile',
    'update tile set hashes = substr(hashes, 3201) where level = 0 and number = 0',
  ],
])('evidence %s gets them when it is opened, and its proofs hold', async (_, statement) => {
  await using evidence = await stage()
  const before = await evidence.open()
  for (let first = 1; first <= 600; first += 100) await ship(before, 'pnt_1', 1, calls(first, 100))
  await before.close()
  alter(evidence.path, statement)
  const after = await evidence.open()
  const pieces: string[] = []
  const query = { organization: 'northwind', resource: 'customer/acme' }
  for await (const piece of await after.proof.export(query, 'tok_1')) pieces.push(piece)
  const { entries, findings } = verify(pieces.join(''), after.logs.trust())
  expect(findings).toEqual([])
  expect(entries).toBeGreaterThan(100)
  // And it goes on from there.
  await ship(after, 'pnt_1', 1, calls(601, 10))
  await after.flush()
  const { receipt } = await after.proof.receipt(attempt(605).id)
  expect(receipt).toContain('index ')
  await after.close()
})

test('evidence whose records are not those of its tree is not opened', async () => {
  await using evidence = await stage()
  const before = await evidence.open()
  await ship(before, 'pnt_1', 1, calls(1, 20))
  await before.close()
  alter(
    evidence.path,
    "delete from tile where level = 0; update log set root = zeroblob(32) where name = 'org_nw'",
  )
  await expect(evidence.open()).rejects.toMatchObject({
    code: 'audit.unavailable',
    cause: { message: expect.stringContaining('they were changed') },
  })
})
