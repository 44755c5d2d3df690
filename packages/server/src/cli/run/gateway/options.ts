import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { AppError } from '@valetkey/sdk/core'
import { pino } from 'pino'
import { checkUrl } from '../../context.ts'
import { type Io, UsageError } from '../../terminal/index.ts'

export interface Options {
  server?: string
  upstream?: string
  as?: string
  secretFile?: string
  env: string[]
  listen?: string
  adminListen: string
  url?: string
  serverKeyFile?: string
  directory?: string
  upstreamTimeout: number
  maxBody: number
  allowOrigin: string[]
  proofAge: number
  proofNonces?: true
}

/** Options of an enforcement point: it stands before one server. */
export type Governing = Options & { server: string }

/** Where callers are heard, where it is not said. */
export const LISTEN = '127.0.0.1:4620'

export function authorityUrl(io: Io, options: Pick<Options, 'url'>): string {
  const url = options.url ?? io.env['VALETKEY_URL']
  if (url === undefined)
    throw new UsageError(
      'The authority is not named.',
      'A gateway decides by the policy of an authority.',
      'Set VALETKEY_URL, or add --url.',
    )
  return checkUrl(url)
}

/** Where the keys of the point and the records on their way are kept: a directory of this process alone. */
export function directoryOf(io: Io, { directory, server }: Governing): string {
  return resolve(io.cwd, directory ?? io.env['VALETKEY_DIRECTORY'] ?? `.valetkey/gateway-${server}`)
}

/** What goes wrong on the way, as one line each on stderr. */
export function openLog(): (message: string, fault?: unknown) => void {
  const log = pino({ level: 'info' }, pino.destination(2))
  return (message, fault) => log.warn(toLogged(fault), message)
}

/** An expected failure is a sentence; the stack of anything else is worth having. */
function toLogged(fault: unknown): object {
  if (!(fault instanceof AppError)) return fault === undefined ? {} : { err: fault }
  const { code, message, cause } = fault
  return { code, detail: message, ...(cause instanceof Error && { cause: cause.message }) }
}

/** From a file or the environment; an argument could be read by everyone on the machine. */
export async function readServerKey(io: Io, { serverKeyFile, server }: Governing): Promise<string> {
  const file = serverKeyFile ?? io.env['VALETKEY_SERVER_KEY_FILE']
  if (file === undefined) {
    const key = io.env['VALETKEY_SERVER_KEY']
    if (key) return key
    throw new UsageError(
      'There is no server key.',
      'A gateway proves with it which MCP server it stands before.',
      `Make one: valetkey server key create ${server} --secret-file ${server}.key, then add --server-key-file ${server}.key.`,
    )
  }
  try {
    return (await readFile(resolve(io.cwd, file), 'utf8')).trim()
  } catch {
    throw new UsageError(
      `The server key file ${file} cannot be read.`,
      'It is missing, or not yours to read.',
    )
  }
}

/** A key of another server would put another server's rules in front of this upstream. */
export function requireServer({ server }: { server: { id: string; name: string } }, wanted: string): void {
  if (server.name !== wanted && server.id !== wanted)
    throw new AppError(
      'config.invalid',
      `The server key is one of "${server.name}", not of "${wanted}": the rules of the one would guard the other.`,
      { path: 'server' },
    )
}
