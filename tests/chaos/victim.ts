import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** What a process of the product says to the campaign: it can work now, or how much it still has to ship. */
export type Word = { ready: Record<string, string> } | { backlog: number }
/** What the campaign asks it. */
export type Question = 'backlog' | 'stop'

/** A process that is killed and started again, always with the same settings and directories. */
export interface Victim {
  readonly name: string
  kills(): number
  /** Starts it. It may be killed before it is ready. */
  start(): void
  /** Resolves once it can work; rejects where it ended by itself, or takes too long. */
  ready(): Promise<Record<string, string>>
  kill(): Promise<void>
  backlog(): Promise<number>
  /** Lets it end in good order. */
  stop(): Promise<void>
  /** How it ended where nobody had killed or stopped it. */
  falls(): readonly string[]
}

const START_WITHIN_MS = 30_000
const KEPT_LOG = 4_000

export function createVictim(options: {
  name: string
  program: string
  settings: object
  /** Told each line that it prints: what reached the tool behind it, before that tool answers. */
  onLine?(line: string): void
}): Victim {
  const { name, program, settings, onLine } = options
  const path = fileURLToPath(new URL(program, import.meta.url))
  const falls: string[] = []
  let kills = 0
  let running: { child: ChildProcess; ready: Promise<Record<string, string>>; isMeant: boolean } | undefined

  function start(): void {
    const child = fork(path, [JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    const run = { child, ready: whenReady(name, child), isMeant: false }
    run.ready.catch(() => undefined)
    running = run
    let log = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-KEPT_LOG)
    })
    let rest = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onLine?.(line)
    })
    child.once('close', (code, signal) => {
      if (!run.isMeant) falls.push(`${name} ended by itself (${code ?? signal}): ${log}`)
    })
  }

  async function end(how: (child: ChildProcess) => void): Promise<void> {
    if (!running) return
    const { child } = running
    running.isMeant = true
    running = undefined
    if (child.exitCode !== null || child.signalCode !== null) return
    // `close` and not `exit`: all that it had printed has been read by then.
    const closed = once(child, 'close')
    how(child)
    await closed
  }

  return {
    name,
    kills: () => kills,
    start,
    async ready() {
      if (!running) throw new Error(`${name} is not started`)
      return running.ready
    },
    async kill() {
      kills++
      await end(child => child.kill('SIGKILL'))
    },
    async backlog() {
      if (!running) throw new Error(`${name} is not started`)
      const { child } = running
      const answer = once(child, 'message')
      child.send('backlog' satisfies Question)
      const [word] = (await answer) as [Word]
      return 'backlog' in word ? word.backlog : Number.NaN
    },
    stop: () => end(child => void child.send('stop' satisfies Question)),
    falls: () => falls,
  }
}

async function whenReady(name: string, child: ChildProcess): Promise<Record<string, string>> {
  const word = await Promise.race([
    once(child, 'message').then(([first]) => first as Word),
    once(child, 'close').then(() => `${name} ended before it was ready`),
    sleep(START_WITHIN_MS, `${name} was not ready within ${START_WITHIN_MS} ms`, { ref: false }),
  ])
  if (typeof word === 'object' && 'ready' in word) return word.ready
  throw new Error(String(word))
}
