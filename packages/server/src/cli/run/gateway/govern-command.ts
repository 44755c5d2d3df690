import { createServer } from 'node:http'
import { createGuard, type Guard, type Handler } from '@valetkey/sdk/guard'
import { createStdioServer } from '../../../gateway/index.ts'
import { type Io, UsageError } from '../../terminal/index.ts'
import { parseListen } from '../listen.ts'
import { untilStopped } from '../stop.ts'
import {
  authorityUrl,
  directoryOf,
  type Governing,
  LISTEN,
  openLog,
  readServerKey,
  requireServer,
} from './options.ts'

/** A guard before a server that is started here and speaks over stdio. */
export interface Governed extends AsyncDisposable {
  /** The URL under which the server is registered: what tokens for it name. */
  url: string
  guard: Guard
  handler: Handler
}

/** Opens the guard; the command is started for each session. */
export async function openGoverned(
  io: Io,
  [command = '', ...args]: readonly string[],
  options: Governing,
): Promise<Governed> {
  if (options.upstream !== undefined)
    throw new UsageError('Where is the server?', 'It is an address (--upstream) or a command, not both.')
  const log = openLog()
  const guard = createGuard({
    url: authorityUrl(io, options),
    serverKey: await readServerKey(io, options),
    directory: directoryOf(io, options),
    allowedOrigins: options.allowOrigin,
    maxBodyBytes: options.maxBody,
    proofs: { maxAgeSeconds: options.proofAge, nonces: options.proofNonces === true },
    log,
  })
  const stdio = createStdioServer({ command, args, cwd: io.cwd, env: environmentFor(io, options.env), log })
  const close = async () => {
    await stdio.close()
    await guard.close()
  }
  try {
    const server = await guard.ready()
    requireServer({ server }, options.server)
    return {
      ...{ url: server.url, guard, handler: stdio.handler },
      [Symbol.asyncDispose]: close,
    }
  } catch (fault) {
    await close()
    throw fault
  }
}

/** What the command is given of this environment: what is named, and so never our own keys by accident. */
function environmentFor(io: Io, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.map(name => {
      const value = io.env[name]
      if (value === undefined)
        throw new UsageError(
          `${name} is not set.`,
          'The command was to get it.',
          `Set ${name}, or leave --env ${name} out.`,
        )
      return [name, value]
    }),
  )
}

/** Governs a server that speaks over stdio, for callers that come by HTTP with tokens of their own. */
export async function governCommand(io: Io, command: readonly string[], options: Governing): Promise<void> {
  const { host, port } = parseListen(options.listen ?? LISTEN)
  const stopped = untilStopped(io)
  await using governed = await openGoverned(io, command, options)
  const http = createServer(governed.guard.node(governed.handler))
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject).listen(port, host, resolve)
  })
  io.err.write(
    `valetkey gateway: stands before ${options.server} (${command[0]}), every call decided\n` +
      `  listens on ${host}:${port}; callers use ${governed.url}\n`,
  )
  await stopped
  http.close()
  http.closeAllConnections()
}
