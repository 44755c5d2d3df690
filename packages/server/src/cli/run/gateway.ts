import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { AppError } from '@valetkey/sdk/core'
import type { Command } from 'commander'
import { pino } from 'pino'
import { type Gateway, startGateway } from '../../gateway/index.ts'
import { checkUrl } from '../context.ts'
import { addExamples, collect, wholeNumber } from '../session.ts'
import { type Io, UsageError } from '../terminal/index.ts'
import { parseListen } from './listen.ts'
import { untilStopped } from './stop.ts'

interface Options {
  server: string
  upstream: string
  listen: string
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

/** Registers `valetkey gateway`: the enforcement point before an MCP server that cannot be changed. */
export function register(program: Command, io: Io): void {
  const command = program
    .command('gateway')
    .description('Stand before an MCP server: decide, record and forward every call.')
    .requiredOption('--server <name>', 'the MCP server, as it is registered')
    .requiredOption('--upstream <url>', 'where that server itself answers')
    .option('--listen <address>', 'where callers are heard: a port, or HOST:PORT', '127.0.0.1:4620')
    .option('--admin-listen <address>', 'where /livez, /readyz and /metrics are answered', '127.0.0.1:0')
    .option('--url <url>', 'address of the authority; else VALETKEY_URL')
    .option(
      '--server-key-file <file>',
      'file with a key of the server; else VALETKEY_SERVER_KEY_FILE or VALETKEY_SERVER_KEY',
    )
    .option(
      '--directory <path>',
      'where its key and the records on their way are kept; else VALETKEY_DIRECTORY',
    )
    .option('--upstream-timeout <seconds>', 'how long an answer may take to begin', wholeNumber, 120)
    .option('--max-body <bytes>', 'the largest request that is read', wholeNumber, 1 << 20)
    .option('--allow-origin <origin>', 'a web page that may call; several times', collect, [])
    .option('--proof-age <seconds>', 'how old a DPoP proof may be', wholeNumber, 60)
    .option('--proof-nonces', 'demand a nonce in every DPoP proof')
    .action(async (options: Options) => run(io, options))
  addExamples(command, [
    [
      'valetkey gateway --server files --upstream http://127.0.0.1:8000/mcp --listen 4620',
      'before a server on this machine',
    ],
    [
      'valetkey gateway --server crm --upstream https://mcp.crm.example/mcp --server-key-file crm.key',
      'before a remote one',
    ],
  ])
}

async function run(io: Io, options: Options): Promise<void> {
  const url = authorityUrl(io, options)
  const directory = options.directory ?? io.env['VALETKEY_DIRECTORY'] ?? `.valetkey/gateway-${options.server}`
  const listen = parseListen(options.listen)
  const log = pino({ level: 'info' }, pino.destination(2))
  const stopping = new AbortController()
  const stopped = untilStopped(io).then(() => stopping.abort())
  io.err.write(`valetkey gateway: asks ${url} for the policy of ${options.server}\n`)
  const gateway = await startGateway({
    url,
    serverKey: await readServerKey(io, options),
    upstream: options.upstream,
    listen,
    adminListen: parseListen(options.adminListen),
    directory: resolve(io.cwd, directory),
    allowedOrigins: options.allowOrigin,
    upstreamTimeoutMs: options.upstreamTimeout * 1000,
    maxBodyBytes: options.maxBody,
    proofs: { maxAgeSeconds: options.proofAge, nonces: options.proofNonces === true },
    signal: stopping.signal,
    log: (message, fault) => log.warn(toLogged(fault), message),
  })
  try {
    requireServer(gateway, options.server)
    io.err.write(describe(gateway, { ...options, url, directory }))
    await stopped
    io.err.write('valetkey gateway stops: streams end, calls under way may finish\n')
  } finally {
    await gateway.close()
  }
}

function authorityUrl(io: Io, options: Options): string {
  const url = options.url ?? io.env['VALETKEY_URL']
  if (url === undefined)
    throw new UsageError(
      'The authority is not named.',
      'A gateway decides by the policy of an authority.',
      'Set VALETKEY_URL, or add --url.',
    )
  return checkUrl(url)
}

/** An expected failure is a sentence; the stack of anything else is worth having. */
function toLogged(fault: unknown): object {
  if (!(fault instanceof AppError)) return fault === undefined ? {} : { err: fault }
  const { code, message, cause } = fault
  return { code, detail: message, ...(cause instanceof Error && { cause: cause.message }) }
}

/** From a file or the environment; an argument could be read by everyone on the machine. */
async function readServerKey(io: Io, { serverKeyFile, server }: Options): Promise<string> {
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
function requireServer({ server }: Gateway, wanted: string): void {
  if (server.name !== wanted && server.id !== wanted)
    throw new AppError(
      'config.invalid',
      `The server key is one of "${server.name}", not of "${wanted}": the rules of the one would guard the other.`,
      { path: 'server' },
    )
}

/** What runs now, and the one command that says all of it again. */
function describe(gateway: Gateway, options: Options & { url: string; directory: string }): string {
  const { server, url, adminUrl } = gateway
  const again = [
    `VALETKEY_URL=${options.url}`,
    'VALETKEY_SERVER_KEY_FILE=…',
    'valetkey gateway',
    `--server ${server.name}`,
    `--upstream ${options.upstream}`,
    `--listen ${new URL(url).host}`,
    `--admin-listen ${new URL(adminUrl ?? 'http://127.0.0.1:0').host}`,
    `--directory ${options.directory}`,
    `--upstream-timeout ${options.upstreamTimeout}`,
    `--max-body ${options.maxBody}`,
    ...options.allowOrigin.map(origin => `--allow-origin ${origin}`),
    `--proof-age ${options.proofAge}`,
    ...(options.proofNonces ? ['--proof-nonces'] : []),
  ]
  const lines = [
    ['listens', url],
    ['callers use', server.url],
    ['forwards to', options.upstream],
    ['health', `${adminUrl}/readyz, ${adminUrl}/metrics`],
    ['the same again', again.join(' ')],
  ]
  return `valetkey gateway: stands before ${server.name}, every call decided\n${lines
    .map(([name, value]) => `  ${name?.padEnd(15)} ${value}\n`)
    .join('')}`
}
