import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openSpool } from './index.ts'
import { temporaryDirectory } from './testing/directory.ts'
import { drain, type Line } from './testing/drain.ts'

const LOAD = fileURLToPath(new URL('./testing/load.ts', import.meta.url))

interface Run {
  acknowledged: string[]
  refused: number
}

/** Lets a child append under load, kills it as hard as can be, and tells what it was told is durable. */
async function runAndKill(child: ChildProcess, until: (output: string) => boolean): Promise<Run> {
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (until(output)) child.kill('SIGKILL')
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (signal !== 'SIGKILL')
    throw new Error(`the load ended by itself: ${code} ${signal} ${output.slice(-200)}`)
  const whole = output.slice(0, output.lastIndexOf('\n')).split('\n').slice(1)
  const acknowledged = whole.filter(line => !line.startsWith('refused'))
  return { acknowledged, refused: whole.length - acknowledged.length }
}

function load(dir: string, ...args: (string | number)[]): ChildProcess {
  return spawn(process.execPath, [LOAD, dir, ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function recovered(dir: string, epoch: number): Promise<Line[]> {
  const spool = await openSpool({ dir, epoch })
  const lines = await drain(spool)
  await spool.close()
  return lines
}

function expectContiguous(lines: Line[]): void {
  const last = new Map<number, number>()
  for (const { epoch, counter } of lines) {
    expect(counter).toBe((last.get(epoch) ?? 0) + 1)
    last.set(epoch, counter)
  }
}

test('kill -9 under load loses no acknowledged record, even if it takes all that was not synced', async () => {
  using dir = temporaryDirectory()
  const acknowledged: string[] = []
  for (const epoch of [1, 2, 3]) {
    const run = await runAndKill(load(dir.path, epoch, 32, 'honest'), output => output.length > 10_000)
    acknowledged.push(...run.acknowledged)
  }
  const lines = await recovered(dir.path, 4)
  const ids = new Set(lines.filter(line => line.type === 'attempt').map(line => line.id))
  expect(acknowledged.length).toBeGreaterThan(1_000)
  expect(acknowledged.filter(id => !ids.has(id))).toEqual([])
  expectContiguous(lines)
})

test('the same kill does lose records when fdatasync only claims success: the test above can fail', async () => {
  using dir = temporaryDirectory()
  const { acknowledged } = await runAndKill(load(dir.path, 1, 32, 'lying'), output => output.length > 10_000)
  const ids = new Set((await recovered(dir.path, 2)).map(line => line.id))
  expect(acknowledged.filter(id => !ids.has(id)).length).toBeGreaterThan(0)
})

test('kill -9 frees the directory for the next process at once', async () => {
  using dir = temporaryDirectory()
  const child = load(dir.path, 1, 1, 'real')
  await once(child.stdout ?? child, 'data')
  await expect(openSpool({ dir: dir.path, epoch: 2 })).rejects.toMatchObject({ code: 'spool.locked' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await openSpool({ dir: dir.path, epoch: 2 })).close()
})

test('a real file size limit: the commit that hits it is refused, the next goes into a new segment', async () => {
  using dir = temporaryDirectory()
  // 64 blocks of 512 or 1,024 bytes; the signal is ignored, as Node needs it to see EFBIG instead of dying.
  const limited = `trap '' XFSZ; ulimit -f 64; exec "$0" "$@"`
  const args = ['-c', limited, process.execPath, LOAD, dir.path, '1', '4', 'real', '10000000']
  const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const run = await runAndKill(
    child,
    output => (output.match(/refused audit.unavailable/g)?.length ?? 0) > 20,
  )
  expect(run.refused).toBeGreaterThan(20)
  const lines = await recovered(dir.path, 2)
  const ids = new Set(lines.filter(line => line.type === 'attempt').map(line => line.id))
  expect(run.acknowledged.filter(id => !ids.has(id))).toEqual([])
  expectContiguous(lines)
})
