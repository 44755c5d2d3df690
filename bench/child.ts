import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A program of a bench in a process of its own, so that its CPU is its own. */
export interface Child<Ready> {
  readonly pid: number
  readonly ready: Ready
  /** Asks it one thing; one question at a time. */
  ask<Answer>(question: unknown): Promise<Answer>
  /** CPU that it has used so far, user and system, in microseconds. */
  cpuMicros(): Promise<number>
  stop(): Promise<void>
}

const CPU = 'cpu'

/** Starts a program of `bench/programs`. Resolves with what it says once it is ready. */
export async function startChild<Ready = null>(
  program: string,
  settings: object = {},
  flags: readonly string[] = [],
): Promise<Child<Ready>> {
  const path = fileURLToPath(new URL(`./programs/${program}.ts`, import.meta.url))
  const child = fork(path, [JSON.stringify(settings)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning', ...flags, ...profiling(program)],
  })
  let said = Promise.withResolvers<unknown>()
  child.on('message', word => said.resolve(word))
  child.once('exit', code => said.reject(new Error(`the program ${program} of the bench ended (${code})`)))
  const word = async <T>(): Promise<T> => {
    const message = await said.promise
    said = Promise.withResolvers()
    return message as T
  }
  const ask = <T>(question: unknown): Promise<T> => {
    const answer = word<T>()
    child.send(question as object)
    return answer
  }
  return {
    pid: child.pid ?? 0,
    ready: await word<Ready>(),
    ask,
    cpuMicros: () => ask<number>(CPU),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      said.promise.catch(() => undefined)
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}

/** In the child: says that it is ready, then answers each question until its parent leaves. */
export function serve(ready: unknown, answer: (question: never) => unknown = () => null): void {
  process.on('message', async question => {
    const { user, system } = process.cpuUsage()
    process.send?.(question === CPU ? user + system : ((await answer(question as never)) ?? null))
  })
  process.once('disconnect', () => process.exit(0))
  process.send?.(ready)
}

/** In the child: what it was started with. */
export function settings<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T
}

/** `BENCH_PROFILE=gateway,hop` writes CPU profiles of those programs into the working directory. */
function profiling(program: string): string[] {
  return (process.env['BENCH_PROFILE'] ?? '').split(',').includes(program)
    ? ['--cpu-prof', `--cpu-prof-name=${program}.cpuprofile`]
    : []
}

const TICK_MICROS = 10_000

/** CPU in microseconds that processes which are not ours have used so far. Reads /proc. */
export function cpuMicrosOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Fields 14 and 15; the name before them may hold anything, and ends with the last parenthesis.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_MICROS
  }, 0)
}
