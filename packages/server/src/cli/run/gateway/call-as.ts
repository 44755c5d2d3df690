import { openAgent } from '@valetkey/sdk/agent'
import { listenOnLoopback, serveParent } from '../../../gateway/index.ts'
import { openAgentStore } from '../../principal/enroll.ts'
import { reserveSecretFile } from '../../secret-file.ts'
import { type Io, UsageError } from '../../terminal/index.ts'
import { parseListen } from '../listen.ts'
import { untilStopped } from '../stop.ts'
import { openGoverned } from './govern-command.ts'
import { type Options, openLog } from './options.ts'

/** An MCP server as the agent reaches it. */
interface Reached {
  url: string
  fetch: typeof globalThis.fetch
}

/**
 * Lends an agent to a client that can hold no key: over stdio to the process that started this one, or on loopback to who
 * knows the secret of this launch. The key stays in this process.
 */
export async function callAs(
  io: Io,
  agent: string,
  command: readonly string[],
  options: Options,
): Promise<void> {
  const { listen, secretFile } = options
  if (listen === undefined && secretFile !== undefined)
    throw new UsageError('There is no secret over stdio.', '--secret-file goes with --listen.')
  await using held = await reach(io, agent, command, options)
  const stopped = untilStopped(io)
  const { reached } = held
  if (listen !== undefined) return lendOnLoopback(io, reached, { listen, secretFile, stopped })
  const parent = await serveParent({ ...reached, in: process.stdin, out: process.stdout, log: openLog() })
  io.err.write(`valetkey gateway: calls ${reached.url} as ${agent}, over stdio\n`)
  await Promise.race([parent.gone, stopped])
  await parent.close()
}

/** The agent before an address, or before a command that is governed here. */
async function reach(
  io: Io,
  name: string,
  command: readonly string[],
  options: Options,
): Promise<AsyncDisposable & { reached: Reached }> {
  const { server, upstream: url } = options
  const store = await openAgentStore(io)
  if (command.length > 0) {
    if (server === undefined)
      throw new UsageError(
        'Which server is the command?',
        'It is governed under a name.',
        'Add --server NAME.',
      )
    const governed = await openGoverned(io, command, { ...options, server })
    const guarded = governed.guard.fetch(governed.handler)
    const { href } = new URL(governed.url)
    // Calls to it do not leave this process; only what goes to the authority does.
    const within: typeof fetch = async (input, init) => {
      const request = new Request(input, init)
      return request.url === href ? guarded(request) : fetch(request)
    }
    const agent = await openAgent(name, { store, fetch: within })
    return {
      reached: { url: governed.url, fetch: agent.fetch(governed.url) },
      [Symbol.asyncDispose]: () => governed[Symbol.asyncDispose](),
    }
  }
  if (url === undefined)
    throw new UsageError(
      'Which server shall it call?',
      'An agent calls one.',
      'Add --upstream URL, or -- COMMAND.',
    )
  if (server !== undefined)
    throw new UsageError(
      'Who decides the calls?',
      'With --as and --upstream the agent calls a server that has its own guard or gateway.',
      'Leave --server out.',
    )
  const agent = await openAgent(name, { store })
  return { reached: { url, fetch: agent.fetch(url) }, [Symbol.asyncDispose]: async () => undefined }
}

async function lendOnLoopback(
  io: Io,
  reached: Reached,
  options: { listen: string; secretFile: string | undefined; stopped: Promise<void> },
): Promise<void> {
  const { secretFile, stopped } = options
  await using file = secretFile === undefined ? undefined : await reserveSecretFile(io, secretFile)
  const front = await listenOnLoopback({ ...reached, listen: parseListen(options.listen), log: openLog() })
  const authorization = `Bearer ${front.secret}`
  const written = await file?.write(`${authorization}\n`)
  const how = written === undefined ? { authorization } : { authorizationFile: written }
  io.out.write(`${JSON.stringify({ url: front.url, ...how })}\n`)
  await stopped
  await front.close()
  await file?.remove()
}
