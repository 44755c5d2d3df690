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

const signed = (size: number) => ({ origin: 'auth.test/log/org_1', size, root: sha256(`${size}`) })

test('what was signed last is known after a restart', () => {
  const memory = openMemory(path)
  for (let size = 1; size <= 50; size++) memory.put([signed(size)])
  memory.close()
  const { origin: _origin, ...last } = signed(50)
  expect(openMemory(path).get('auth.test/log/org_1')).toEqual(last)
})

test('a line that a full disk or a crash tore in two loses nothing before it, and swallows nothing behind it', () => {
  const memory = openMemory(path)
  memory.put([signed(7)])
  memory.close()
  appendFileSync(path, 'auth.test/log/org_1 8 AAAA')
  const again = openMemory(path)
  expect(again.get('auth.test/log/org_1')?.size).toBe(7)
  again.put([signed(9)])
  again.close()
  expect(openMemory(path).get('auth.test/log/org_1')?.size).toBe(9)
})

test('it stays short however long it is used', () => {
  const memory = openMemory(path)
  memory.put([signed(1)])
  memory.close()
  writeFileSync(path, readFileSync(path, 'utf8').trimStart().repeat(30_000))
  const again = openMemory(path)
  again.put([signed(2)])
  again.put([signed(3)])
  again.close()
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThan(10)
  expect(openMemory(path).get('auth.test/log/org_1')?.size).toBe(3)
})
