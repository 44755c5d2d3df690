import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
const PROGRAM = join(ROOT, 'packages/server/bin/valetkey.js')

/** The program that people run, in a process of its own. */
export interface Program extends AsyncDisposable {
  readonly pid: number
  out(): string
  err(): string
  /** Resolves once both outputs together hold the text; rejects where the program ends before. */
  says(text: string | RegExp): Promise<void>
  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): void
  /** The number that it ended with, or the signal. */
  ended: Promise<number | string>
}

/** Starts `valetkey` in a directory, with this environment and no other. It is killed at disposal. */
export function valetkey(cwd: string, argv: string[], env: Record<string, string> = {}, input = ''): Program {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, ...argv], {
    cwd,
    // Compiled code is shared by all tests.
    env: { PATH: process.env['PATH'] ?? '', XDG_CACHE_HOME: join(ROOT, 'node_modules/.cache'), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin?.end(input)
  let out = ''
  let err = ''
  const wake = new Set<() => void>()
  const heard = () => {
    for (const look of wake) look()
  }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text
    heard()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text
    heard()
  })
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  return {
    pid: child.pid ?? 0,
    out: () => out,
    err: () => err,
    says: text =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!(typeof text === 'string' ? (out + err).includes(text) : text.test(out + err))) return
          wake.delete(look)
          resolve()
        }
        wake.add(look)
        look()
        void ended.then(code => reject(new Error(`ended with ${code} before it said ${text}:\n${out}${err}`)))
      }),
    signal: name => void child.kill(name),
    ended,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
    },
  }
}
