import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AppError } from '@valetkey/sdk/core'

export interface AdminListener {
  url: string
  close(): Promise<void>
}

/** What the gateway says about itself, apart from what callers reach. */
export interface Health {
  /** Why it cannot decide calls now; null where it can. */
  trouble(): string | null
  metrics(): string
}

/** Answers `/livez`, `/readyz` and `/metrics`. */
export async function listenForAdmin(
  listen: { host: string; port: number },
  health: Health,
): Promise<AdminListener> {
  const server = createServer((request, response) => {
    const [path] = (request.url ?? '/').split('?', 1)
    const say = (status: number, text: string, type = 'text/plain; charset=utf-8') =>
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text)
    if (path === '/livez') return say(200, 'ok\n')
    if (path === '/metrics') return say(200, health.metrics(), 'text/plain; version=0.0.4; charset=utf-8')
    if (path !== '/readyz') return say(404, 'Here are /livez, /readyz and /metrics.\n')
    const trouble = health.trouble()
    return trouble === null ? say(200, 'ok\n') : say(503, `${trouble}\n`)
  })
  await listenOn(server, listen)
  return {
    url: originOf(server),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function listenOn(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error) => {
      const sentence = `Cannot listen on ${host}:${port}: ${cause.message}.`
      reject(new AppError('config.invalid', sentence, { cause, path: 'listen' }))
    }
    server.once('error', refuse).listen(port, host, () => {
      server.off('error', refuse)
      resolve()
    })
  })
}

/** Where a server listens, as a URL without a path. */
export function originOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
