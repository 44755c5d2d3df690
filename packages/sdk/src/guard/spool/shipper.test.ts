import { expect, test } from 'vitest'
import { type Batch, openSpool, startShipper } from './index.ts'
import { temporaryDirectory } from './testing/directory.ts'
import { linesOf } from './testing/drain.ts'

const QUICK = { restMs: 1, retryFirstMs: 5, retryMostMs: 20 }

/** The far end: remembers records by epoch and counter, so that a repeat changes nothing. */
function createAuthority() {
  const records = new Map<string, string>()
  let received = 0
  return {
    records,
    received: () => received,
    take(batch: Batch): void {
      for (const { epoch, counter, id } of linesOf(batch)) {
        records.set(`${epoch}/${counter}`, id)
        received++
      }
    },
  }
}

test('records are shipped at least once, in order, over failures before and after they arrive', async () => {
  using dir = temporaryDirectory()
  const authority = createAuthority()
  const spool = await openSpool({ dir: dir.path, epoch: 1, segmentBytes: 2_000 })
  let sends = 0
  const shipper = startShipper({
    spool,
    ...QUICK,
    limits: { maxRecords: 7, maxBytes: 1 << 20 },
    async send(batch) {
      sends++
      if (sends % 3 === 1) throw new Error('did not arrive')
      authority.take(batch)
      if (sends % 3 === 2) throw new Error('arrived, but the answer was lost')
    },
  })
  for (let n = 0; n < 100; n++) await spool.append({ id: `${n}` })
  await expect.poll(() => spool.backlog().records, { timeout: 5_000 }).toBe(0)
  expect([...authority.records.values()]).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`))
  expect(authority.received()).toBeGreaterThan(100)
  expect(shipper.failures()).toBe(0)
  expect(await shipper.close()).toBe(true)
  await spool.close()
})

test('retries wait longer each time, with jitter, up to a limit', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  await spool.append({ id: 'a' })
  const times: number[] = []
  const shipper = startShipper({
    spool,
    restMs: 1,
    retryFirstMs: 20,
    retryMostMs: 80,
    random: () => 1,
    send: () => Promise.reject(new Error('down')),
    onFailure: () => times.push(performance.now()),
  })
  await expect.poll(() => times.length, { timeout: 5_000 }).toBeGreaterThan(4)
  const waits = times.slice(1, 5).map((time, index) => time - (times[index] ?? 0))
  for (const [index, least] of [20, 40, 80, 80].entries())
    expect(waits[index]).toBeGreaterThanOrEqual(least - 2)
  expect(shipper.failures()).toBeGreaterThan(4)
  expect(await shipper.close()).toBe(false)
  expect(spool.backlog().records).toBe(1)
  await spool.close()
})

test('closing ships what is left, at once', async () => {
  using dir = temporaryDirectory()
  const authority = createAuthority()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  const shipper = startShipper({
    spool,
    restMs: 60_000,
    limits: { maxRecords: 10, maxBytes: 1 << 20 },
    send: async batch => authority.take(batch),
  })
  await spool.append({ id: 'first' })
  await expect.poll(() => authority.received()).toBe(1)
  for (let n = 0; n < 35; n++) await spool.append({ id: `${n}` })
  expect(authority.received()).toBe(1)
  expect(await shipper.close(5_000)).toBe(true)
  expect(authority.received()).toBe(36)
  await spool.close()
})

test('closing gives up at its deadline, aborts the request, and leaves the records for the next start', async () => {
  using dir = temporaryDirectory()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  await spool.append({ id: 'a' })
  let abortedWith: AbortSignal | undefined
  const hangs = Promise.withResolvers<void>()
  const shipper = startShipper({
    spool,
    send(_batch, signal) {
      abortedWith = signal
      return hangs.promise
    },
  })
  await expect.poll(() => abortedWith).toBeDefined()
  const began = performance.now()
  expect(await shipper.close(50)).toBe(false)
  expect(performance.now() - began).toBeLessThan(1_000)
  expect(abortedWith?.aborted).toBe(true)
  hangs.resolve()
  await spool.close()
  const next = await openSpool({ dir: dir.path, epoch: 2 })
  expect(next.backlog().records).toBe(1)
  await next.close()
})

test('an idle shipper waits for a record instead of asking again and again', async () => {
  using dir = temporaryDirectory()
  const authority = createAuthority()
  const spool = await openSpool({ dir: dir.path, epoch: 1 })
  let reads = 0
  const counted = {
    readable: spool.readable,
    read(limits: Parameters<typeof spool.read>[0]) {
      reads++
      return spool.read(limits)
    },
  }
  const shipper = startShipper({ spool: counted, ...QUICK, send: async batch => authority.take(batch) })
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(reads).toBe(1)
  await spool.append({ id: 'a' })
  await expect.poll(() => authority.received()).toBe(1)
  await shipper.close()
  await spool.close()
})
