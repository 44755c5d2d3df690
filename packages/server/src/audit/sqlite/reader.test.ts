import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { attempt } from '../../../../../tests/storage/audit-samples.ts'
import { checkedShipments } from '../../../../../tests/storage/shipping.ts'
import { KIND, toBatch } from '../entry.ts'
import { createTerms } from '../terms.ts'
import { openMain } from './connection.ts'
import { type RebuiltSegment, replaceSegment } from './expire.ts'
import { openEvidenceFile } from './file.ts'
import { createReader } from './reader.ts'
import { createOpenSegments } from './segments.ts'

const root = mkdtempSync(join(tmpdir(), 'valetkey-audit-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const path = join(root, 'evidence.db')
const segments = join(dirname(path), 'segments')
const terms = createTerms('secret')

/** 30 calls in a segment, and what takes its place once the first ten have gone. */
async function expired(): Promise<RebuiltSegment> {
  const file = openEvidenceFile({ path, access: 'write', secret: 'secret', headRecords: 10 })
  const from = { point: 'pnt_1', epoch: 1, receivedAt: Date.UTC(2026, 8, 2) }
  const ship = (first: number, count: number) => {
    const records = Array.from({ length: count }, (_, i) => attempt(first + i))
    return file.ingest([toBatch(from, checkedShipments('pnt_1', 1, records), terms)])
  }
  await ship(1, 30)
  await ship(31, 1)
  await file.publish(await file.build(1))
  const before = Date.parse(attempt(11).at)
  const rebuilt = await file.rebuild(1, [
    { log: 'org_nw', kinds: [KIND.attempt], before, held: [], holds: [] },
  ])
  await file.close()
  return rebuilt
}

test('a question under way while a segment is replaced is asked again, of what is there then', async () => {
  const rebuilt = await expired()
  const [writing, reading] = [openMain(path, 'write'), openMain(path, 'read')]
  const opened = createOpenSegments(segments)
  let isReplaced = false
  const reader = createReader(
    reading,
    {
      ...opened,
      open(segment) {
        if (!isReplaced) replaceSegment(writing, segments, rebuilt)
        isReplaced = true
        return opened.open(segment)
      },
    },
    terms,
  )
  const { rows } = await reader.ask({ filter: { kinds: [KIND.attempt] }, limit: 100 })
  expect(isReplaced).toBe(true)
  expect(rows).toHaveLength(21)
  // What is not there at all is no reason to ask for ever.
  opened.close()
  rmSync(join(segments, rebuilt.file))
  await expect(reader.ask({ filter: { kinds: [KIND.attempt] }, limit: 100 })).rejects.toMatchObject({
    code: 'SQLITE_CANTOPEN',
  })
  for (const database of [reading, writing]) database.close()
})
