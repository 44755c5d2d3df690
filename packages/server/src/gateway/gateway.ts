import { AppError } from '@valetkey/sdk/core'
import { keepTrying, openPoint, type RunningPoint, type SpoolFilePort } from '@valetkey/sdk/guard'
import { type AdminListener, listenForAdmin } from './admin.ts'
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
  const { log = () => undefined, signal, drainMs = 10_000 } = options
  const upstream = parseUpstream(options.upstream)
  const front = createFront({
    maxBodyBytes: options.maxBodyBytes ?? 1 << 20,
    maxExchanges: options.maxExchanges ?? 4_096,
    log,
  })
  let running: RunningPoint | undefined
  let trouble: string | null = 'The authority has not been reached yet.'
  const metrics = () => (running ? running.metrics() + front.metrics(running.point.server.name) : '')
  await front.listen(options.listen)
  let admin: AdminListener | undefined
  const opening = keepTrying(() => openPoint({ ...options, kind: 'gateway' }), log)
  try {
    if (options.adminListen)
      admin = await listenForAdmin(options.adminListen, {
        metrics,
        trouble: () => trouble ?? running?.ended()?.message ?? troubleOf(running),
      })
    signal?.addEventListener('abort', opening.stop, { once: true })
    if (signal?.aborted) opening.stop()
    running = await opening.opened
  } catch (fault) {
    opening.stop()
    void opening.opened.then(
      late => late.close(),
      () => undefined,
    )
    await front.close(0)
    await admin?.close()
    throw fault
  }
  const opened = running
  const { server } = opened.point
  const back = openBack({ running: opened, upstream, timeoutMs: options.upstreamTimeoutMs ?? 120_000, log })
  await back.settled()
  front.serve(opened, back)
  trouble = null
  const { address, port, family } = front.address()
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}${new URL(server.url).pathname}`,
    adminUrl: admin?.url ?? null,
    server,
    metrics,
    async close() {
      trouble = 'The gateway stops.'
      opened.point.open.stop('streams')
      await front.close(drainMs)
      await opened.close()
      await back.close()
      await admin?.close()
    },
  }
}

function troubleOf(running: RunningPoint | undefined): string | null {
  return running?.point.replica.hasLease('read') ? null : 'The authority has not confirmed the policy lately.'
}

function parseUpstream(text: string): URL {
  const refuse = (sentence: string) => new AppError('config.invalid', sentence, { path: 'upstream' })
  if (!URL.canParse(text)) throw refuse(`The upstream "${text}" is not a URL.`)
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refuse('The upstream must be http: or https:.')
  if (url.username || url.password)
    throw refuse(
      'Leave credentials out of the upstream URL: store them with "valetkey server upstream-credential".',
    )
  if (url.hash) throw refuse('Leave the fragment out of the upstream URL.')
  return url
}
