import { AppError } from '@valetkey/sdk/core'
import {
  keepTrying,
  openPoint,
  type ProofOptions,
  type RunningPoint,
  type SpoolFilePort,
} from '@valetkey/sdk/guard'
import { listenForAdmin } from './admin.ts'
import { openBack } from './back.ts'
import { createFront } from './front.ts'

export interface Listen {
  host: string
  /** 0 chooses a free port. */
  port: number
}

export interface GatewayOptions {
  /** Where the authority answers. */
  url: string
  /** A key of the MCP server that the gateway stands in front of. */
  serverKey: string
  /** The MCP endpoint behind the gateway; its credential comes from the authority, not from here. */
  upstream: string
  listen: Listen
  /** Where keys and the spool are kept: a directory of this process alone. */
  directory: string
  /** Where `/livez`, `/readyz` and `/metrics` are answered; nowhere without it. */
  adminListen?: Listen
  allowedOrigins?: readonly string[]
  /** How proofs of possession are checked, for tokens that are bound to a key (DPoP). */
  proofs?: ProofOptions
  maxBodyBytes?: number
  /** How long the server behind may take until its answer begins. */
  upstreamTimeoutMs?: number
  /** Calls and streams under way at once. */
  maxExchanges?: number
  /** How long calls under way may take to end at a stop. */
  drainMs?: number
  /** The file system under the spool. */
  files?: SpoolFilePort
  /** Stops waiting for an authority that does not answer. */
  signal?: AbortSignal
  log?(message: string, fault?: unknown): void
}

export interface Gateway {
  /** Where callers reach the MCP endpoint on this machine. */
  readonly url: string
  readonly adminUrl: string | null
  /** The MCP server that its key names. */
  readonly server: { id: string; name: string; url: string }
  /** Prometheus text. */
  metrics(): string
  /** Takes no more calls, lets those under way end, and leaves no record unwritten. */
  close(): Promise<void>
}

/**
 * Starts a gateway. It listens at once and refuses everything; resolves once it has registered and can decide. Throws
 * `auth.invalid` for a bad server key; while the authority cannot be reached it keeps trying.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { log = () => undefined, drainMs = 10_000, upstreamTimeoutMs: timeoutMs = 120_000 } = options
  const upstream = parseUpstream(options.upstream)
  const { maxBodyBytes = 1 << 20, maxExchanges = 4_096 } = options
  const front = createFront({ maxBodyBytes, maxExchanges, log })
  const state: State = { running: undefined, trouble: 'The authority has not been reached yet.' }
  const metrics = () =>
    state.running ? state.running.metrics() + front.metrics(state.running.point.server.name) : ''
  const closers: (() => Promise<void>)[] = [() => front.close(drainMs)]
  const close = async () => {
    state.trouble = 'The gateway stops.'
    state.running?.point.open.stop('streams')
    for (const closeOne of closers.splice(0)) await closeOne()
  }
  try {
    await front.listen(options.listen)
    const admin =
      options.adminListen &&
      (await listenForAdmin(options.adminListen, { metrics, trouble: () => troubleOf(state) }))
    if (admin) closers.push(admin.close)
    const running = await openPatiently(options, log)
    state.running = running
    const back = openBack({ running, upstream, timeoutMs, log })
    // What callers reach closes first, what says so closes last.
    closers.splice(1, 0, running.close, back.close)
    const { server } = running.point
    if (upstream.href === server.url)
      throw refuseUpstream('The upstream is the address that callers use: the gateway would call itself.')
    front.serve(running, back)
    state.trouble = null
    const url = `${front.origin()}${new URL(server.url).pathname}`
    return { url, adminUrl: admin?.url ?? null, server, metrics, close }
  } catch (fault) {
    await close()
    throw fault
  }
}

interface State {
  running: RunningPoint | undefined
  /** Why no calls are decided: not begun, or stopping. */
  trouble: string | null
}

function troubleOf({ running, trouble }: State): string | null {
  if (trouble !== null || !running) return trouble
  const ended = running.ended()
  if (ended) return ended.message
  return running.point.replica.hasLease('read') ? null : 'The authority has not confirmed the policy lately.'
}

async function openPatiently(
  options: GatewayOptions,
  log: NonNullable<GatewayOptions['log']>,
): Promise<RunningPoint> {
  const opening = keepTrying(() => openPoint({ ...options, kind: 'gateway' }), log)
  const { signal } = options
  if (signal?.aborted) opening.stop()
  signal?.addEventListener('abort', opening.stop, { once: true })
  return opening.opened
}

function parseUpstream(text: string): URL {
  if (!URL.canParse(text)) throw refuseUpstream(`The upstream "${text}" is not a URL.`)
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refuseUpstream('The upstream must be http: or https:.')
  if (url.username || url.password)
    throw refuseUpstream(
      'Leave credentials out of the upstream URL: store them with "valetkey server credential".',
    )
  if (url.hash) throw refuseUpstream('Leave the fragment out of the upstream URL.')
  return url
}

function refuseUpstream(sentence: string): AppError {
  return new AppError('config.invalid', sentence, { path: 'upstream' })
}
