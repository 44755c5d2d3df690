import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSpool } from './index.ts'
import { segmentPath } from './segment.ts'
import { temporaryDirectory } from './testing/directory.ts'
import { drain } from './testing/drain.ts'
import { faultyFiles } from './testing/faulty-file.ts'

const LIMITS = { maxRecords: 500, maxBytes: 1 << 20 }

function segmentsIn(dir: string): string[] {
  return readdirSync(dir).filter(name => name.endsWith('.ndjson'))
}

test('counters are contiguous and in the order of the calls, under concurrency', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 7, segmentBytes: 4_000 })
  const called: string[] = []
  async function caller(name: number): Promise<void> {
    for (let n = 0; n < 20; n++) {
      called.push(`${name}-${n}`)
      const record = { id: `${name}-${n}`, text: 'é' }
      await spool.append(n % 2 ? record : JSON.stringify(record))
      called.push(`${name}-${n}-outcome`)
      spool.note({ id: `${name}-${n}-outcome` })
    }
  }
  await Promise.all(Array.from({ length: 32 }, (_, name) => caller(name)))
  await expect.poll(() => spool.backlog().records).toBe(1_280)
  const lines = await drain(spool)
  expect(lines.map(line => line.id)).toEqual(called)
  expect(lines.map(line => line.counter)).toEqual(lines.map((_, index) => index + 1))
  expect(new Set(lines.map(line => line.epoch))).toEqual(new Set([7]))
  await spool.close()
})

test('each record names the one before it in its lane, and a commit that failed is nobody’s predecessor', async () => {
  using dir = temporaryDirectory()
  const { files, faults } = faultyFiles()
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
  const append = (id: string, lane: string) => spool.append({ id }, lane)
  await Promise.all([append('a1', 'a'), append('b1', 'b'), append('a2', 'a')])
  faults.free = 0
  await Promise.allSettled([append('lost', 'a'), append('lost', 'b')])
  faults.free = Number.POSITIVE_INFINITY
  await append('b2', 'b')
  spool.note({ id: 'a3' }, 'a')
  await spool.flush()
  expect(await drain(spool)).toMatchObject([
    { id: 'a1', counter: 1, previous: 0 },
    { id: 'b1', counter: 2, previous: 0 },
    { id: 'a2', counter: 3, previous: 1 },
    { id: 'b2', counter: 4, previous: 2 },
    { id: 'a3', counter: 5, previous: 3 },
  ])
  await spool.close()
})

test('what queues while a commit runs goes into the next one: far fewer syncs than records', async () => {
  using dir = temporaryDirectory()
  const { files, faults } = faultyFiles()
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
  const callers = Array.from({ length: 32 }, async () => {
    for (let n = 0; n < 20; n++) await spool.append({ id: 'x' })
  })
  await Promise.all(callers)
  expect(spool.backlog().records).toBe(640)
  expect(faults.syncs).toBeGreaterThanOrEqual(20)
  expect(faults.syncs).toBeLessThan(64)
  await spool.close()
})

test('of very many calls at once the first are with the disk before the last are heard', async () => {
  using dir = temporaryDirectory()
  const { files, faults } = faultyFiles()
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
  await spool.append({ id: 'first of its file' })
  const before = { syncs: faults.syncs, free: 1 << 20 }
  faults.free = before.free
  const calls = Array.from({ length: 200 }, (_, n) => spool.append({ id: `${n}` }))
  expect(faults.free).toBeLessThan(before.free)
  await Promise.all(calls)
  expect(faults.syncs).toBe(before.syncs + 2)
  expect((await drain(spool)).slice(1).map(({ id }) => id)).toEqual(calls.map((_, n) => `${n}`))
  await spool.close()
})

test('an append waits for the sync, and a note is committed although nobody waits', async () => {
  using dir = temporaryDirectory()
  const { files, faults } = faultyFiles()
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
  const disk = Promise.withResolvers<void>()
  faults.hold = disk.promise
  let isDurable = false
  const appended = spool.append({ id: 'a' }).then(() => {
    isDurable = true
  })
  await new Promise(resolve => setTimeout(resolve, 20))
  expect(isDurable).toBe(false)
  expect(await spool.read(LIMITS)).toBeUndefined()
  disk.resolve()
  await appended
  spool.note({ id: 'b' })
  await expect.poll(() => spool.backlog().records).toBe(2)
  await spool.close()
})

test('a restart finds what earlier epochs left, oldest first, and goes on in a new segment', async () => {
  using dir = temporaryDirectory()
  for (const epoch of [3, 4]) {
    const spool = await openSpool({ dir: dir.path, epoch })
    await Promise.all([spool.append({ id: `${epoch}-a` }), spool.append({ id: `${epoch}-b` })])
    spool.note({ id: `${epoch}-c` })
    await spool.close()
  }
  const spool = await openSpool({ dir: dir.path, epoch: 5 })
  expect(spool.backlog().records).toBe(6)
  await spool.append({ id: '5-a' })
  const lines = await drain(spool)
  expect(lines.map(line => line.id)).toEqual(['3-a', '3-b', '3-c', '4-a', '4-b', '4-c', '5-a'])
  expect(lines.map(line => line.counter)).toEqual([1, 2, 3, 1, 2, 3, 1])
  expect(spool.backlog()).toEqual({ records: 0, bytes: 0, oldestMs: 0, lost: 0 })
  expect(segmentsIn(dir.path)).toEqual(['000003.ndjson'])
  await spool.close()
})

test('a restart ships again only what was not forgotten', async () => {
  using dir = temporaryDirectory()
  const first = await openSpool({ dir: dir.path, epoch: 1 })
  for (let n = 0; n < 10; n++) await first.append({ id: `${n}` })
  await (await first.read({ maxRecords: 4, maxBytes: 1 << 20 }))?.done()
  await first.read({ maxRecords: 4, maxBytes: 1 << 20 })
  expect(first.backlog().records).toBe(6)
  await first.close()
  const second = await openSpool({ dir: dir.path, epoch: 2 })
  expect(second.backlog()).toMatchObject({ records: 6, bytes: first.backlog().bytes })
  expect((await drain(second)).map(line => line.id)).toEqual(['4', '5', '6', '7', '8', '9'])
  await second.close()
})

test('a lost or foreign position leads to repeats, never to a skipped record', async () => {
  using dir = temporaryDirectory()
  const first = await openSpool({ dir: dir.path, epoch: 1 })
  for (let n = 0; n < 4; n++) await first.append({ id: `${n}` })
  await (await first.read({ maxRecords: 2, maxBytes: 1 << 20 }))?.done()
  await first.close()
  const positions = [
    '',
    '{"segment":1,"epoch":9,"offset":90}',
    '{"segment":1,"epoch":1,"offset":91}',
    '{"segment":1',
  ]
  for (const [index, position] of positions.entries()) {
    writeFileSync(join(dir.path, 'position'), position)
    const spool = await openSpool({ dir: dir.path, epoch: 20 + index })
    expect((await spool.read(LIMITS))?.count).toBe(4)
    await spool.close()
  }
})

test('a torn last line is left out, whether it is cut short or full of zeros', async () => {
  using dir = temporaryDirectory()
  const tails = ['{"id":"torn"', `${'\0'.repeat(100)}\n{"id":"after a hole"}\n`]
  for (const [index, tail] of tails.entries()) {
    const spool = await openSpool({ dir: dir.path, epoch: index + 1 })
    await spool.append({ id: `whole-${index}` })
    await spool.close()
    appendFileSync(segmentPath(dir.path, index + 1), tail)
  }
  writeFileSync(segmentPath(dir.path, 3), '{"spool":1,"epo')
  const spool = await openSpool({ dir: dir.path, epoch: 9 })
  expect((await drain(spool)).map(line => line.id)).toEqual(['whole-0', 'whole-1'])
  await spool.close()
})

test('the zeros ahead of the records are no records after a crash, and are gone once a segment is closed', async () => {
  using dir = temporaryDirectory()
  const path = segmentPath(dir.path, 1)
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  for (const id of ['first', 'second']) await spool.append({ id })
  const asCrashed = readFileSync(path)
  await spool.close()
  const asClosed = readFileSync(path)
  expect(asCrashed.length).toBeGreaterThan(asClosed.length)
  expect(asCrashed.equals(Buffer.concat([asClosed], asCrashed.length))).toBe(true)
  expect(asClosed.at(-1)).toBe(0x0a)
  writeFileSync(path, asCrashed)
  const next = await openSpool({ dir: dir.path, epoch: 2 })
  expect((await drain(next)).map(line => line.id)).toEqual(['first', 'second'])
  await next.close()
})

test('a segment with an unreadable first line is kept and not shipped', async () => {
  using dir = temporaryDirectory()
  const first = await openSpool({ dir: dir.path, epoch: 1 })
  await first.close()
  writeFileSync(segmentPath(dir.path, 6), 'not ours\n{"id":"x"}\n')
  const spool = await openSpool({ dir: dir.path, epoch: 2 })
  await spool.append({ id: 'ours' })
  expect((await drain(spool)).map(line => line.id)).toEqual(['ours'])
  expect(segmentsIn(dir.path)).toEqual(['000006.ndjson', '000007.ndjson'])
  await spool.close()
})

test('segments are rotated, removed once shipped, and readable by their owner only', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1, segmentBytes: 1_000 })
  for (let n = 0; n < 30; n++) await spool.append({ id: `${n}`, filler: 'x'.repeat(100) })
  expect(segmentsIn(dir.path).length).toBeGreaterThan(3)
  expect(statSync(segmentPath(dir.path, 1)).mode & 0o777).toBe(0o600)
  expect(statSync(dir.path).mode & 0o777).toBe(0o700)
  expect(await drain(spool, { maxRecords: 3, maxBytes: 150 })).toHaveLength(30)
  expect(segmentsIn(dir.path)).toHaveLength(1)
  await spool.close()
})

test('a record that is larger than a batch comes alone, and a batch read twice counts once', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  await spool.append({ id: 'large', filler: 'x'.repeat(5_000) })
  await spool.append({ id: 'small' })
  const once = await spool.read({ maxRecords: 10, maxBytes: 100 })
  const twice = await spool.read({ maxRecords: 10, maxBytes: 100_000 })
  expect([once?.count, twice?.count]).toEqual([1, 2])
  await twice?.done()
  await once?.done()
  await once?.done()
  expect(spool.backlog()).toMatchObject({ records: 0, bytes: 0 })
  await spool.close()
})

test('the backlog tells the age of the oldest record that waits', async () => {
  using dir = temporaryDirectory()
  let now = 1_000_000
  const spool = await openSpool({ dir: dir.path, epoch: 1, now: () => now })
  await spool.append({ id: 'a' })
  now += 5_000
  await spool.append({ id: 'b' })
  now += 1_000
  expect(spool.backlog().oldestMs).toBe(6_000)
  await (await spool.read({ maxRecords: 1, maxBytes: 1 << 20 }))?.done()
  expect(spool.backlog().oldestMs).toBe(1_000)
  await drain(spool)
  now += 9_000
  await spool.append({ id: 'c' })
  expect(spool.backlog().oldestMs).toBe(0)
  await spool.close()
})

test('spool.locked: a directory has one user at a time', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  await expect(openSpool({ dir: dir.path, epoch: 2 })).rejects.toMatchObject({ code: 'spool.locked' })
  await spool.close()
  await (await openSpool({ dir: dir.path, epoch: 2 })).close()
})

test('config.invalid: a boot epoch is used once', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  await spool.append({ id: 'a' })
  await spool.close()
  await expect(openSpool({ dir: dir.path, epoch: 1 })).rejects.toMatchObject({ code: 'config.invalid' })
})

test('what is not an object on one line is refused before it can spoil the log', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  for (const record of ['{"a":1}\n{"b":2}', '{}', '[1]', ['x'], 'null']) {
    expect(() => spool.append(record)).toThrow(TypeError)
    expect(() => spool.note(record)).toThrow(TypeError)
  }
  await spool.append({ id: 'a', epoch: 99, counter: 99 })
  expect(await drain(spool)).toEqual([{ id: 'a', epoch: 1, counter: 1, previous: 0 }])
  await spool.close()
})

test('closing commits what waits, and refuses what comes later', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  const last = spool.append({ id: 'last' })
  spool.note({ id: 'note' })
  await Promise.all([spool.close(), last])
  await expect(spool.append({ id: 'late' })).rejects.toMatchObject({ code: 'audit.unavailable' })
  expect(await spool.read(LIMITS)).toBeUndefined()
  const next = await openSpool({ dir: dir.path, epoch: 2 })
  expect((await drain(next)).map(line => line.id)).toEqual(['last', 'note'])
  await next.close()
})
