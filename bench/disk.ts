import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Milliseconds that each of several appends of a record's size takes until it is durable, where spools of benches lie. At
 * a pace, because a disk that is asked again at once answers sooner than one that has rested.
 */
export async function sampleDatasync(count: number, perSecond: number): Promise<number[]> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-disk-'))
  const file = await open(join(directory, 'file'), 'a')
  const record = Buffer.alloc(700, 'x')
  const samples: number[] = []
  const begin = performance.now()
  for (let i = 0; i < count; i++) {
    await sleep(Math.max(0, begin + (i * 1000) / perSecond - performance.now()))
    await file.write(record)
    const from = performance.now()
    await file.datasync()
    samples.push(performance.now() - from)
  }
  await file.close()
  await rm(directory, { recursive: true })
  return samples
}
