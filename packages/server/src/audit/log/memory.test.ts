import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@valetkey/sdk/evidence'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openMemory } from './memory.ts'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'valetkey-memory-'))
  path = join(directory, 'checkpoints')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** What is known of the log after a restart. */
async function restarted() {
  const memory = await openMemory(path)
  await memory.close()
  return memory.get('auth.test/log/org_1')
}
const signed = (size: number) => ({ origin: 'auth.test/log/org_1', size, root: sha256(`${size}`) })

test('what was signed last is known after a restart', async () => {
  const memory = await openMemory(path)
  for (let size = 1; size <= 50; size++) await memory.put([signed(size)])
  await memory.close()
  const { origin: _origin, ...last } = signed(50)
  expect(await restarted()).toEqual(last)
})

test('a line that a full disk or a crash tore in two loses nothing before it, and swallows nothing behind it', async () => {
  const memory = await openMemory(path)
  await memory.put([signed(7)])
  await memory.close()
  appendFileSync(path, 'auth.test/log/org_1 8 AAAA')
  const again = await openMemory(path)
  expect(again.get('auth.test/log/org_1')?.size).toBe(7)
  await again.put([signed(9)])
  await again.close()
  expect((await restarted())?.size).toBe(9)
})

test('it stays short however long it is used', async () => {
  const memory = await openMemory(path)
  await memory.put([signed(1)])
  await memory.close()
  writeFileSync(path, readFileSync(path, 'utf8').trimStart().repeat(30_000))
  const again = await openMemory(path)
  await again.put([signed(2)])
  await again.put([signed(3)])
  await again.close()
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThan(10)
  expect((await restarted())?.size).toBe(3)
})

test('what is not on the disk yet is not known, and what is asked for at once is written in its order', async () => {
  const memory = await openMemory(path)
  const puts = [memory.put([signed(1)]), memory.put([signed(3)]), memory.put([signed(2)])]
  // The event loop goes on while the disk works.
  expect(memory.get('auth.test/log/org_1')).toBeUndefined()
  const closing = memory.close()
  await Promise.all([...puts, closing])
  const sizes = [...readFileSync(path, 'utf8').matchAll(/^\S+ (\d+) /gm)].map(([, size]) => Number(size))
  expect(sizes).toEqual([1, 3, 2])
  expect(memory.get('auth.test/log/org_1')?.size).toBe(2)
})
