import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { attempt } from '../../../../../tests/storage/audit-samples.ts'
import { checkedShipments } from '../../../../../tests/storage/shipping.ts'
import { toBatch } from '../entry.ts'
import { createTerms } from '../terms.ts'
import { openMain } from './connection.ts'
import { eraseData } from './erase.ts'
import { openEvidenceFile } from './file.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'valetkey-erase-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const ERASURE = { log: 'org_nw', generation: 1, places: [[0, 5]] as [number, number][] }

/** Everything that is in any file, as far as it is text. */
function everything(): string {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter(each => each.isFile())
  return files.map(file => readFileSync(join(file.parentPath, file.name), 'latin1')).join('')
}

test('an erasure is not done while what was erased is in a journal that is being read', async () => {
  const path = join(directory, 'evidence.db')
  const file = openEvidenceFile({ path, access: 'write', secret: 'secret', headRecords: 100 })
  const calls = Array.from({ length: 5 }, (_, i) => attempt(1 + i, { arguments: { note: `jane ${i}` } }))
  const from = { point: 'pnt_1', epoch: 1, receivedAt: Date.UTC(2026, 8, 2) }
  await file.ingest([toBatch(from, checkedShipments('pnt_1', 1, calls), createTerms('secret'))])
  await file.close()
  const [writing, reading] = [openMain(path, 'write'), openMain(path, 'read')]
  writing.pragma('busy_timeout = 20')
  const { data } = writing.prepare<[], { data: Buffer }>('select data from head_bundle_1').get() ?? {}
  // It is packed, and so small that it lies in one piece.
  const packed = data?.toString('latin1') ?? ''
  expect(everything().includes(packed)).toBe(true)
  reading.exec('begin')
  reading.prepare('select count(*) from log').get()
  expect(() => eraseData(writing, join(directory, 'segments'), ERASURE)).toThrow('still in the journal')
  reading.exec('rollback')
  eraseData(writing, join(directory, 'segments'), ERASURE)
  expect(everything().includes(packed)).toBe(false)
  reading.close()
  writing.close()
})
