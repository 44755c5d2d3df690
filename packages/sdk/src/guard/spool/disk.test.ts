import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openSpool } from './index.ts'
import { temporaryDirectory } from './testing/directory.ts'
import { drain } from './testing/drain.ts'
import { faultyFiles } from './testing/faulty-file.ts'
import { forgetfulFiles } from './testing/forgetful-file.ts'

function idsOf(lines: { id: string }[]): string[] {
  return lines.map(line => line.id)
}

test('audit.unavailable: a full disk refuses, loses nothing, and recovers by itself when space returns', async () => {
  using dir = temporaryDirectory()
  const { files, faults } = faultyFiles()
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
  await spool.append({ id: 'before' })
  faults.free = 30
  for (let n = 0; n < 3; n++) {
    await expect(spool.append({ id: 'full', filler: 'x'.repeat(100) })).rejects.toMatchObject({
      code: 'audit.unavailable',
      message: expect.stringContaining('disk of the spool is full. Free space'),
    })
  }
  faults.free = Number.POSITIVE_INFINITY
  await spool.append({ id: 'after' })
  const lines = await drain(spool)
  expect(idsOf(lines)).toEqual(['before', 'after'])
  expect(lines.map(line => line.counter)).toEqual([1, 2])
  await spool.close()
})

test('a failed sync is reported, not tried again on that file, and its records never count, also after a restart', async () => {
  for (const truncateFails of [false, true]) {
    using dir = temporaryDirectory()
    const { files, faults } = faultyFiles()
    const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
    await spool.append({ id: 'before' })
    Object.assign(faults, { syncFails: true, truncateFails })
    const failed = [spool.append({ id: 'failed-1' }), spool.append({ id: 'failed-2' })]
    for (const append of failed) await expect(append).rejects.toMatchObject({ code: 'audit.unavailable' })
    await expect(spool.append({ id: 'failed-3' })).rejects.toThrow('the disk reported an error')
    Object.assign(faults, { syncFails: false, truncateFails: false })
    await spool.append({ id: 'after' })
    await spool.close()
    const next = await openSpool({ dir: dir.path, epoch: 2 })
    const lines = await drain(next)
    expect(idsOf(lines)).toEqual(['before', 'after'])
    expect(lines.map(line => line.counter)).toEqual([1, 2])
    await next.close()
  }
})

test('a tail that could not be cut off for good is voided by the next segment', async () => {
  using dir = temporaryDirectory()
  // The cut is made in memory only and never synced: after the restart the failed record is in the file again.
  const { files, faults } = faultyFiles(forgetfulFiles())
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
  await spool.append({ id: 'before' })
  faults.syncFails = true
  await expect(spool.append({ id: 'failed' })).rejects.toThrow()
  faults.syncFails = false
  await spool.append({ id: 'after' })
  await spool.close()
  const next = await openSpool({ dir: dir.path, epoch: 2 })
  expect(idsOf(await drain(next))).toEqual(['before', 'after'])
  await next.close()
})

test('a note outlives a failed commit and is written with the next one', async () => {
  using dir = temporaryDirectory()
  const { files, faults } = faultyFiles()
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
  faults.syncFails = true
  const refused = expect(spool.append({ id: 'refused' })).rejects.toThrow()
  spool.note({ id: 'outcome-1' })
  await refused
  faults.syncFails = false
  spool.note({ id: 'outcome-2' })
  await expect.poll(() => spool.backlog().records).toBe(2)
  expect(idsOf(await drain(spool))).toEqual(['outcome-1', 'outcome-2'])
  faults.free = 0
  spool.note({ id: 'outcome-3' })
  await spool.close()
  expect(spool.backlog().lost).toBe(1)
})

test('what writes a record is asked for it once, when it is committed, however often that is tried', async () => {
  using dir = temporaryDirectory()
  const { files, faults } = faultyFiles()
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files })
  const written: string[] = []
  const write = (id: string) => () => {
    written.push(id)
    return JSON.stringify({ id })
  }
  const appended = spool.append(write('a'))
  spool.note(write('b'))
  expect(written).toEqual([])
  await appended
  expect(written).toEqual(['a', 'b'])
  faults.syncFails = true
  spool.note(write('c'))
  await spool.flush()
  faults.syncFails = false
  await spool.append(write('d'))
  expect(written).toEqual(['a', 'b', 'c', 'd'])
  expect((await drain(spool)).map(line => line.id)).toEqual(['a', 'b', 'c', 'd'])
  await spool.close()
})

test('what cannot be written on one line spoils neither the log nor what comes after it', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  await spool.append({ id: 'before' })
  const broken = [() => '{"id":"a"}\n{"id":"b"}', () => '[]', fail]
  for (const write of broken) await expect(spool.append(write)).rejects.toThrow()
  for (const write of broken) spool.note(write)
  spool.note({ id: 'note' })
  await spool.flush()
  await spool.append({ id: 'after' })
  expect((await drain(spool)).map(line => line.id)).toEqual(['before', 'note', 'after'])
  expect(spool.backlog().lost).toBe(3)
  await spool.close()
})

function fail(): never {
  throw new Error('a record that cannot be put together')
}

test('audit.unavailable: too many records wait for a disk that hangs', async () => {
  using dir = temporaryDirectory()
  const { files, faults } = faultyFiles()
  const spool = await openSpool({ dir: dir.path, epoch: 1, file: files, maxQueued: 3 })
  const disk = Promise.withResolvers<void>()
  faults.hold = disk.promise
  const first = spool.append({ id: 'in flight' })
  await new Promise(resolve => setTimeout(resolve, 20))
  const queued = ['1', '2', '3'].map(id => spool.append({ id }))
  await expect(spool.append({ id: '4' })).rejects.toMatchObject({
    code: 'audit.unavailable',
    message: expect.stringContaining('3 records wait for the disk'),
  })
  spool.note({ id: 'outcome' })
  disk.resolve()
  await Promise.all([first, ...queued])
  await spool.close()
  expect(spool.backlog()).toMatchObject({ records: 5, lost: 0 })
})

test('audit.unavailable: too much waits to be shipped, until some of it is', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1, maxBytes: 1_000 })
  const refusals: unknown[] = []
  for (let n = 0; n < 20; n++)
    await spool.append({ id: `${n}`, filler: 'x'.repeat(80) }).catch(e => refusals.push(e))
  expect(refusals[0]).toMatchObject({
    code: 'audit.unavailable',
    message: expect.stringContaining('connection to the authority'),
  })
  const { records, bytes } = spool.backlog()
  expect(records).toBe(20 - refusals.length)
  expect(bytes).toBeLessThan(1_000 + 200)
  expect(await drain(spool)).toHaveLength(records)
  await spool.append({ id: 'again' })
  await spool.close()
})

test('audit.unavailable: a directory that cannot be made', async () => {
  using dir = temporaryDirectory()
  writeFileSync(dir.path, 'a file is in the way')
  await expect(openSpool({ dir: `${dir.path}/spool`, epoch: 1 })).rejects.toMatchObject({
    code: 'audit.unavailable',
  })
})
