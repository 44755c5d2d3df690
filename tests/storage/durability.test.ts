import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { openStore } from '../../packages/server/src/store/index.ts'
import { freshDatabase, freshDirectory, MASTER_KEY } from './databases.ts'
import { readRevisions } from './facts.ts'

const FULL = 2

test('SQLite makes every commit durable, also after the file was opened again', async () => {
  const url = `sqlite:${freshDirectory()}/valetkey.db`
  for (const _ of ['fresh', 'opened again']) {
    const store = await openStore({ url, masterKey: MASTER_KEY })
    expect((await sql`pragma synchronous`.execute(store.db)).rows).toEqual([{ synchronous: FULL }])
    expect((await sql`pragma journal_mode`.execute(store.db)).rows).toEqual([{ journalMode: 'wal' }])
    expect((await sql`pragma foreign_keys`.execute(store.db)).rows).toEqual([{ foreignKeys: 1 }])
    await store.close()
  }
})

test('PostgreSQL makes every commit durable', async () => {
  const store = await openStore({ url: await freshDatabase(), masterKey: MASTER_KEY })
  expect((await sql`show synchronous_commit`.execute(store.db)).rows).toEqual([{ synchronousCommit: 'on' }])
  await store.close()
})

test('nobody but its owner may read the files of a database', async () => {
  const path = `${freshDirectory()}/valetkey.db`
  const store = await openStore({ url: `sqlite:${path}`, masterKey: MASTER_KEY })
  for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o077).toBe(0)
  await store.close()
})

test('a file that is not a database is said to be damaged', async () => {
  const path = `${freshDirectory()}/valetkey.db`
  writeFileSync(path, 'not a database '.repeat(1000))
  const opening = openStore({ url: `sqlite:${path}`, masterKey: MASTER_KEY })
  await expect(opening).rejects.toMatchObject({ code: 'store.unavailable' })
})

test('kill -9 in the middle of writes loses nothing that was acknowledged, and leaves nothing half made', async () => {
  const url = `sqlite:${freshDirectory()}/valetkey.db`
  const acknowledged: number[] = []
  for (let kill = 0; kill < 5; kill++) acknowledged.push(...(await writeUntilKilled(url)))
  const store = await openStore({ url, masterKey: MASTER_KEY })
  const { head, log, tokens } = await readRevisions(store, 'org_northwind')
  expect(acknowledged.length).toBeGreaterThan(50)
  expect(head).toBeGreaterThanOrEqual(Math.max(...acknowledged))
  expect(log.map(({ revision }) => revision)).toEqual(Array.from({ length: head }, (_, i) => i + 1))
  expect(tokens).toHaveLength(head)
  const check = await sql`pragma integrity_check`.execute(store.db)
  expect(check.rows).toEqual([{ integrityCheck: 'ok' }])
  await store.close()
})

/** The revisions that a writing process had acknowledged (as lines on its output) before it was killed. */
async function writeUntilKilled(url: string): Promise<number[]> {
  const program = fileURLToPath(new URL('writer.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [program, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  const closed = once(child, 'close')
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', chunk => {
      output += chunk
      if (output.length > 60 + Math.random() * 200) resolve()
    })
    child.once('close', () => reject(new Error('The writer ended by itself.')))
  })
  child.kill('SIGKILL')
  await closed
  const whole = output.slice(0, output.lastIndexOf('\n'))
  return whole.split('\n').map(Number)
}
