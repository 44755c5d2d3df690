/**
 * A process to kill: appends as fast as it is allowed and prints the id of each record that it was told is durable.
 * Arguments: directory, epoch, callers, `honest`, `lying` or `real`, and the segment size.
 */
import { writeSync } from 'node:fs'
import { openSpool } from '../index.ts'
import { forgetfulFiles } from './forgetful-file.ts'

const [dir = '', epoch = '1', callers = '32', disk = 'real', segmentBytes = '20000'] = process.argv.slice(2)
const port = disk === 'real' ? {} : { file: forgetfulFiles({ honest: disk === 'honest' }) }
const spool = await openSpool({ dir, epoch: Number(epoch), segmentBytes: Number(segmentBytes), ...port })
writeSync(1, 'ready\n')

async function call(caller: number): Promise<void> {
  for (let n = 1; ; n++) {
    const id = `${epoch}-${caller}-${n}`
    try {
      await spool.append({ type: 'attempt', id, filler: 'x'.repeat(400) })
    } catch (failure) {
      writeSync(1, `refused ${(failure as { code?: string }).code}\n`)
      continue
    }
    // To the parent before anything else: a pipe keeps what was written when the writer is killed.
    writeSync(1, `${id}\n`)
    spool.note({ type: 'outcome', id })
  }
}

await Promise.all(Array.from({ length: Number(callers) }, (_, caller) => call(caller)))
