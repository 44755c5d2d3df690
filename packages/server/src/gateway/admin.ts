import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

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
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(listen.port, listen.host, resolve)
  })
  const { address, port, family } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
