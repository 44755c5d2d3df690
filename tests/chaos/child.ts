import type { Question, Word } from './victim.ts'

/** The settings that this process was started with. */
export function settings<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T
}

/** Says that this process can work, and answers what the campaign asks until it is to stop. */
export function serve(options: {
  ready?: Record<string, string>
  metrics?(): string
  close(): Promise<void>
}): void {
  const say = (word: Word) => void process.send?.(word)
  process.on('message', (question: Question) => {
    if (question === 'backlog') return say({ backlog: backlogOf(options.metrics?.() ?? '') })
    void options.close().then(() => process.exit(0))
  })
  say({ ready: options.ready ?? {} })
}

export function log(message: string, fault?: unknown): void {
  process.stderr.write(`${message} ${fault instanceof Error ? fault.message : ''}\n`)
}

function backlogOf(metrics: string): number {
  return Number(/^valetkey_spool_records (\d+)$/m.exec(metrics)?.[1] ?? Number.NaN)
}
