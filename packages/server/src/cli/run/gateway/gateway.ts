import type { Command } from 'commander'
import { type Gateway, startGateway } from '../../../gateway/index.ts'
import { addExamples, collect, wholeNumber } from '../../session.ts'
import { type Io, UsageError } from '../../terminal/index.ts'
import { parseListen } from '../listen.ts'
import { untilStopped } from '../stop.ts'
import { callAs } from './call-as.ts'
import { governCommand } from './govern-command.ts'
import {
  authorityUrl,
  directoryOf,
  type Governing,
  LISTEN,
  type Options,
  openLog,
  readServerKey,
  requireServer,
} from './options.ts'

/** Registers `valetkey gateway`: the enforcement point before an MCP server that cannot be changed. */
export function register(program: Command, io: Io): void {
  const command = program
    .command('gateway')
    .description(
      'Stand before an MCP server: decide, record and forward every call. Or lend an agent to a client that holds no key.',
    )
    .argument('[command...]', 'the server itself, where it speaks over stdio; after --')
    .option('--server <name>', 'the MCP server to stand before, as it is registered')
    .option('--upstream <url>', 'where the server itself answers')
    .option(
      '--as <agent>',
      'call as this agent, for the process that started this one and speaks MCP over stdio',
    )
    .option(
      '--listen <address>',
      `where callers are heard: a port, or HOST:PORT (${LISTEN}; with --as stdio)`,
    )
    .option(
      '--env <name>',
      'a variable of this environment that the command gets; several times',
      collect,
      [],
    )
    .option('--secret-file <file>', 'with --as and --listen: where the secret of this launch is written')
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
    .action(async (run: string[], options: Options) => {
      if (options.as !== undefined) return callAs(io, options.as, run, options)
      const { server } = options
      if (server === undefined)
        throw new UsageError('Before which server?', 'A gateway stands before one.', 'Add --server NAME.')
      if (run.length > 0) return governCommand(io, run, { ...options, server })
      return governAddress(io, { ...options, server })
    })
  addExamples(command, [
    [
      'valetkey gateway --server files --upstream http://127.0.0.1:8000/mcp --listen 4620',
      'before a server on this machine',
    ],
    [
      'valetkey gateway --server crm --upstream https://mcp.crm.example/mcp --server-key-file crm.key',
      'before a remote one',
    ],
    [
      'valetkey gateway --server files --server-key-file files.key -- npx mcp-server-filesystem /srv/docs',
      'before one that speaks over stdio',
    ],
    [
      'valetkey gateway --as support-bot --upstream https://mcp.crm.example/mcp',
      'as an agent, for the client that starts it',
    ],
  ])
}

async function governAddress(io: Io, options: Governing): Promise<void> {
  const { upstream } = options
  if (upstream === undefined)
    throw new UsageError(
      'Where does the server itself answer?',
      'A gateway forwards to an address or to a command.',
      'Add --upstream URL, or -- COMMAND.',
    )
  const url = authorityUrl(io, options)
  const directory = directoryOf(io, options)
  const stopping = new AbortController()
  const stopped = untilStopped(io).then(() => stopping.abort())
  io.err.write(`valetkey gateway: asks ${url} for the policy of ${options.server}\n`)
  const gateway = await startGateway({
    url,
    serverKey: await readServerKey(io, options),
    upstream,
    listen: parseListen(options.listen ?? LISTEN),
    adminListen: parseListen(options.adminListen),
    directory,
    allowedOrigins: options.allowOrigin,
    upstreamTimeoutMs: options.upstreamTimeout * 1000,
    maxBodyBytes: options.maxBody,
    proofs: { maxAgeSeconds: options.proofAge, nonces: options.proofNonces === true },
    signal: stopping.signal,
    log: openLog(),
  })
  try {
    requireServer(gateway, options.server)
    io.err.write(describe(gateway, { ...options, upstream, url, directory }))
    await stopped
    io.err.write('valetkey gateway stops: streams end, calls under way may finish\n')
  } finally {
    await gateway.close()
  }
}

/** What runs now, and the one command that says all of it again. */
function describe(
  gateway: Gateway,
  options: Options & { upstream: string; url: string; directory: string },
): string {
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
