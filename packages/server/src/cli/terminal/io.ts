import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'

/** What a command sees of the world; tests hand in another one. */
export interface Io {
  out: { write(text: string): unknown; isTerminal: boolean; columns: number | undefined }
  err: { write(text: string): unknown; isTerminal: boolean }
  in: {
    isTerminal: boolean
    readAll(): Promise<string>
    ask(question: string, options?: { isSecret?: boolean }): Promise<string>
  }
  env: Record<string, string | undefined>
  cwd: string
  now(): number
  fetch(request: Request): Response | Promise<Response>
  /** Ends commands that would go on: Ctrl-C. */
  interrupted: AbortSignal
  /** What the process ends with where nothing fails. */
  exitCode: number
}

/** The terminal, environment and clock of this process. */
export function processIo(): Io {
  const interruption = new AbortController()
  process.once('SIGINT', () => interruption.abort())
  process.stdout.on('error', endQuietly)
  return {
    out: {
      write: chunk => void process.stdout.write(chunk),
      isTerminal: process.stdout.isTTY === true,
      columns: process.stdout.columns,
    },
    err: { write: chunk => void process.stderr.write(chunk), isTerminal: process.stderr.isTTY === true },
    in: {
      isTerminal: process.stdin.isTTY === true,
      readAll: () => text(process.stdin),
      ask: (question, { isSecret = false } = {}) => ask(question, isSecret, interruption),
    },
    env: process.env,
    cwd: process.cwd(),
    now: () => Date.now(),
    fetch: request => fetch(request, { signal: interruption.signal }),
    interrupted: interruption.signal,
    exitCode: 0,
  }
}

/** One line from the keyboard, not shown where it is a secret; nothing where the input ends. */
async function ask(question: string, isSecret: boolean, interruption: AbortController): Promise<string> {
  if (isSecret) process.stderr.write(question)
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() })
  const output = isSecret ? silence : process.stderr
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  lines.once('SIGINT', () => interruption.abort())
  const ended = new Promise<string>(resolve => lines.once('close', () => resolve('')))
  try {
    const { signal } = interruption
    return await Promise.race([lines.question(isSecret ? '' : question, { signal }), ended])
  } finally {
    lines.close()
    if (isSecret) process.stderr.write('\n')
  }
}

/** `valetkey … | head` closes the pipe early: that is no failure. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
}
