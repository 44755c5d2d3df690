import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { COMMANDS } from '../../packages/server/src/cli/main.ts'
import { run } from '../../packages/server/src/cli/program.ts'
import type { Io } from '../../packages/server/src/cli/terminal/index.ts'
import { ISSUER, type Product } from './product.ts'

export interface TerminalOptions {
  /** Whether people look at it; else its output goes to programs. */
  isTerminal?: boolean
  columns?: number
  env?: Record<string, string>
  /** What the answers to questions are, in order; or what comes on the standard input. */
  input?: string[]
  interrupted?: AbortSignal
  /** Told of what is printed while the command runs. */
  onOut?(text: string): void
}

export interface Printed {
  code: number
  out: string
  err: string
}

/** A directory and an environment in which commands run in this process, against the product in memory. */
export async function openTerminal(product: Product) {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-cli-'))
  return {
    directory,
    async valetkey(argv: readonly string[], options: TerminalOptions = {}): Promise<Printed> {
      const [out, err]: [string[], string[]] = [[], []]
      const input = [...(options.input ?? [])]
      const isTerminal = options.isTerminal === true
      const io: Io = {
        out: {
          write: text => {
            options.onOut?.(text)
            return out.push(text)
          },
          isTerminal,
          columns: options.columns,
        },
        err: { write: text => err.push(text), isTerminal },
        in: {
          isTerminal,
          readAll: async () => input.shift() ?? '',
          async ask(question) {
            err.push(`${question}\n`)
            return input.shift() ?? ''
          },
        },
        env: options.env ?? { VALETKEY_URL: ISSUER, VALETKEY_TOKEN: product.adminToken },
        cwd: directory,
        now: product.now,
        fetch: request => (request.url.startsWith(ISSUER) ? product.send(request) : fetch(request)),
        interrupted: options.interrupted ?? new AbortController().signal,
        exitCode: 0,
      }
      const code = await run(argv, io, COMMANDS, '0.0.0')
      return { code, out: out.join(''), err: err.join('') }
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
