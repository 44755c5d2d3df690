import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Milliseconds that each of several appends of a record's size takes until it is durable, where spools of benches lie. */
export async function sampleDatasync(count: number): Promise<number[]> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-disk-'))
  const file = await open(join(directory, 'file'), 'a')
  const record = Buffer.alloc(700, 'x')
  const samples: number[] = []
  for (let i = 0; i < count; i++) {
    await file.write(record)
    const from = performance.now()
    await file.datasync()
    samples.push(performance.now() - from)
  }
  await file.close()
  await rm(directory, { recursive: true })
  return samples
}
