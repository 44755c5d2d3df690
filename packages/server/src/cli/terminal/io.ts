import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'

/** What a command sees of the world; tests hand in another one. */
export interface Io {
  out: { write(text: string): unknown; isTerminal: boolean; columns: number | undefined }
  err: { write(text: string): unknown; isTerminal: boolean }
  in: { isTerminal: boolean; readAll(): Promise<string>; ask(question: string): Promise<string> }
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
      ask: question => ask(question, interruption.signal),
    },
    env: process.env,
    cwd: process.cwd(),
    now: () => Date.now(),
    fetch: request => fetch(request),
    interrupted: interruption.signal,
    exitCode: 0,
  }
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question, { signal })
  } finally {
    lines.close()
  }
}

/** `valetkey … | head` closes the pipe early: that is no failure. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
}
