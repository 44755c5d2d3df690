import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { KIND, toBatch } from '../../packages/server/src/audit/entry.ts'
import { type EvidenceFile, openEvidenceFile } from '../../packages/server/src/audit/sqlite/file.ts'
import { createTerms } from '../../packages/server/src/audit/terms.ts'
import { attempt } from './audit-samples.ts'
import { freshDirectory } from './databases.ts'
import { checkedShipments } from './shipping.ts'

const HEAD_RECORDS = 60

function openFile(directory: string, access: 'write' | 'read' = 'write'): EvidenceFile {
  const path = join(directory, 'evidence.db')
  return openEvidenceFile({ path, access, secret: 'same', headRecords: HEAD_RECORDS })
}

const batch = (first: number, count: number) =>
  toBatch(
    { point: 'pnt_1', epoch: 1, receivedAt: Date.UTC(2026, 8, 30) },
    checkedShipments(
      'pnt_1',
      1,
      Array.from({ length: count }, (_, i) => attempt(first + i)),
    ),
    createTerms('same'),
  )

/** How often each record up to a number is found, and how often it is in the log; the log has nothing twice. */
async function expectOnce(file: EvidenceFile, upTo: number, atMost = upTo): Promise<void> {
  const { rows, next } = await file.ask({ filter: { kinds: [KIND.attempt] }, limit: 100_000 })
  expect(next).toBeNull()
  const found = rows.map(({ entry }) =>
    'leaf' in entry ? (JSON.parse(entry.leaf) as { id: string }).id : '',
  )
  expect(new Set(found).size).toBe(found.length)
  expect(found.length).toBeGreaterThanOrEqual(upTo)
  expect(found.length).toBeLessThanOrEqual(atMost)
  expect(found.toSorted()).toEqual(Array.from({ length: found.length }, (_, i) => attempt(i + 1).id))
  const [log] = await file.logs(['org_nw'])
  const entries = await file.entries(log?.id ?? 0, 0, log?.entries ?? 0)
  const inLog = entries
    .map(({ entry }) => ('leaf' in entry ? (JSON.parse(entry.leaf) as { id: string; type: string }) : null))
    .filter(leaf => leaf?.type === 'attempt')
    .map(leaf => leaf?.id)
  expect(inLog.toSorted()).toEqual(found.toSorted())
}

const filesIn = (directory: string) => readdirSync(join(directory, 'segments')).sort()

test('a crash at any step of building a segment loses nothing, doubles nothing, and leaves no file behind', async () => {
  const directory = freshDirectory()
  let file = openFile(directory)
  const reopen = async () => {
    await file.close()
    file = openFile(directory)
  }
  for (let from = 0; from < 140; from += 10) await file.ingest([batch(from + 1, 10)])
  const [head = 0] = await file.waitingHeads()

  // In the middle of the file.
  writeFileSync(join(directory, 'segments', `segment-${head}.db.draft`), 'half a file')
  await reopen()
  expect(filesIn(directory)).toEqual([])
  await expectOnce(file, 140)

  // After it has its name, before anything refers to it: found again as it was, and built again.
  await file.build(head)
  expect(filesIn(directory)).toEqual([`segment-${head}.db`])
  await expectOnce(file, 140)
  await reopen()
  expect(filesIn(directory)).toEqual([])
  expect(await file.waitingHeads()).toContain(head)
  await expectOnce(file, 140)

  // A file of that name that is none of ours is in nobody's way.
  writeFileSync(join(directory, 'segments', `segment-${head}.db`), 'something else')
  const built = await file.build(head)
  await file.publish(built)
  await expectOnce(file, 140)
  await reopen()
  expect(filesIn(directory)).toEqual([`segment-${head}.db`])
  expect(await file.waitingHeads()).not.toContain(head)
  await expectOnce(file, 140)
  // What was shipped before the crash and comes again is known, in the segment too.
  expect(await file.ingest([batch(1, 140)])).toMatchObject([{ accepted: 0, repeated: 140, conflicts: 0 }])

  // The same while records expire: built anew, and not put in its place.
  const expiry = [
    { log: 'org_nw', kinds: [KIND.attempt], before: Date.parse(attempt(31).at), held: [], holds: [] },
  ]
  expect(await file.expiring(expiry)).toEqual([head])
  await file.rebuild(head, expiry)
  expect(filesIn(directory)).toHaveLength(2)
  await reopen()
  expect(filesIn(directory)).toEqual([`segment-${head}.db`])
  await expectOnce(file, 140)
  await file.replace(await file.rebuild(head, expiry))
  expect(filesIn(directory)).toEqual([`segment-${head}.1.db`])
  const { rows } = await file.ask({ filter: { kinds: [KIND.attempt] }, limit: 1000 })
  expect(rows).toHaveLength(110)
  await file.close()
})

test('a disk that fills while a segment is built: calls are recorded and found meanwhile, and it is built later', async () => {
  const directory = freshDirectory()
  const file = openFile(directory)
  for (let from = 0; from < 90; from += 10) await file.ingest([batch(from + 1, 10)])
  const [head = 0] = await file.waitingHeads()
  // A limit on the size of files, in KiB, is what any user can set; writing past it fails as on a full disk.
  const program = `
    import { openEvidenceFile } from ${JSON.stringify(join(import.meta.dirname, '../../packages/server/src/audit/sqlite/file.ts'))}
    const file = openEvidenceFile({ path: process.argv[1], access: 'read', secret: 'same', headRecords: 60 })
    await file.build(${head}).then(() => console.log('built'), error => console.log(error.code))
    process.exit(0)`
  const output = execFileSync('bash', [
    '-c',
    'ulimit -f 48; exec "$0" --input-type=module --eval "$1" "$2"',
    ...[process.execPath, program, join(directory, 'evidence.db')],
  ])
  expect(output.toString().trim()).toMatch(/^SQLITE_(FULL|IOERR)/)
  expect(filesIn(directory)).toEqual([])
  await file.ingest([batch(91, 10)])
  await expectOnce(file, 100)
  await file.publish(await file.build(head))
  await expectOnce(file, 100)

  // The same where the name is taken by something that cannot be removed.
  const expiry = [
    { log: 'org_nw', kinds: [KIND.attempt], before: Date.parse(attempt(11).at), held: [], holds: [] },
  ]
  const draft = join(directory, 'segments', `segment-${head}.1.db.draft`)
  mkdirSync(draft)
  await expect(file.rebuild(head, expiry)).rejects.toThrow()
  await expectOnce(file, 100)
  rmSync(draft, { recursive: true })
  await file.replace(await file.rebuild(head, expiry))
  expect((await file.ask({ filter: { kinds: [KIND.attempt] }, limit: 1000 })).rows).toHaveLength(90)
  await file.close()
})

test('kill -9 at any moment of shipping and building: what was acknowledged is there once', async () => {
  const directory = freshDirectory()
  const path = join(directory, 'evidence.db')
  let acknowledged = 0
  for (let kill = 0; kill < 3; kill++)
    acknowledged = Math.max(acknowledged, await shipUntilKilled(path, acknowledged, kill))
  expect(acknowledged).toBeGreaterThan(HEAD_RECORDS)
  const file = openFile(directory)
  // Of the last shipment of each life nobody knows; it was taken in whole or not at all.
  await expectOnce(file, acknowledged, acknowledged + 10)
  for (const head of await file.waitingHeads()) await file.publish(await file.build(head))
  await expectOnce(file, acknowledged, acknowledged + 10)
  await file.close()
})

/** Up to which record a process had acknowledged (as lines on its output) before it was killed. */
async function shipUntilKilled(path: string, from: number, kill: number): Promise<number> {
  const program = join(import.meta.dirname, 'audit-shipping-process.ts')
  const child = spawn(process.execPath, [program, path, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let output = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', chunk => {
      output += chunk
      // After another number of shipments each time, so that builds are met at different steps.
      if (output.split('\n').length > 8 + 7 * kill) resolve()
    })
    child.once('close', () => reject(new Error('The process ended by itself.')))
  })
  child.kill('SIGKILL')
  await closed
  const lines = output.slice(0, output.lastIndexOf('\n')).split('\n')
  return Number(lines.at(-1))
}
