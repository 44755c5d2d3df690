import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createServer as createTls } from 'node:tls'
import { expect, vi } from 'vitest'
import { CERTIFICATE, KEY } from '../../packages/server/src/oauth/testing/loopback-site.ts'

export { CERTIFICATE }

/** Something that listens on a port, can be stopped there and started again. */
export interface Receiver extends AsyncDisposable {
  readonly port: number
  stop(): Promise<void>
  start(): Promise<void>
}

async function receiver(create: () => Server, destroyAll: () => void): Promise<Receiver> {
  let server = create()
  let port = 0
  const start = async () => {
    server = create()
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  }
  const stop = () => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    destroyAll()
    return closed
  }
  await start()
  return {
    get port() {
      return port
    },
    ...{ start, stop },
    [Symbol.asyncDispose]: () => (server.listening ? stop() : Promise.resolve()),
  }
}

/** A syslog server over TLS that reads frames by their length (RFC 5425), and ends when the sender does. */
export async function startSyslogReceiver() {
  const messages: string[] = []
  const open = new Set<{ destroy(): unknown }>()
  /** Reads so many bytes of a connection and breaks it off, once. */
  const fault = { cutAfter: 0 }
  const create = () =>
    createTls({ key: KEY, cert: CERTIFICATE }, socket => {
      open.add(socket)
      let bytes = Buffer.alloc(0)
      socket.on('error', () => undefined)
      socket.on('close', () => open.delete(socket))
      socket.on('data', chunk => {
        bytes = Buffer.concat([bytes, chunk])
        for (;;) {
          const space = bytes.indexOf(' ')
          const length = Number(bytes.toString('latin1', 0, Math.max(0, space)))
          // Whatever is no frame is heard, and not answered.
          if (space < 1 || !(bytes.length >= space + 1 + length)) break
          messages.push(bytes.toString('utf8', space + 1, space + 1 + length))
          bytes = bytes.subarray(space + 1 + length)
          if (fault.cutAfter > 0 && --fault.cutAfter === 0) return void socket.destroy()
        }
      })
    })
  const base = await receiver(create, () => {
    for (const socket of open) socket.destroy()
  })
  return Object.assign(base, { messages, fault })
}

export type SyslogMode = 'keeps' | 'silent' | 'hangs'

/** A syslog server in a process of its own, which can be killed; what it has kept is in its file. */
export async function startSyslogProcess(
  mode: SyslogMode,
  { port = 0, file }: { port?: number; file: string },
) {
  const program = join(import.meta.dirname, 'syslog-process.ts')
  const child = spawn(process.execPath, [program, String(port), file, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface(child.stdout).on('line', line => lines.push(line))
  const said = () => lines.find(line => line.startsWith('port '))
  await vi.waitFor(() => expect(said()).toBeDefined(), { timeout: 20_000 })
  return {
    port: Number(said()?.slice('port '.length)),
    /** How many connections it has read to their end. */
    read: () => lines.filter(line => line === 'read').length,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    async [Symbol.asyncDispose]() {
      await this.kill()
    },
  }
}

export interface Received {
  path: string
  headers: Record<string, string>
  body: string
}

/** A receiver of posts on https: a webhook, or what an OTLP collector is to those who send to it. */
export async function startHttpReceiver() {
  const received: Received[] = []
  const answer = { status: 200, headers: {} as Record<string, string>, body: '{}' }
  const open = new Set<{ destroy(): unknown }>()
  const create = () =>
    createHttps({ key: KEY, cert: CERTIFICATE }, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        const { status, headers, body } = answer
        if (status < 300)
          received.push({
            path: request.url ?? '',
            headers: request.headers as Record<string, string>,
            body: Buffer.concat(chunks).toString('utf8'),
          })
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
      })
    }).on('connection', socket => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
    })
  const base = await receiver(create, () => {
    for (const socket of open) socket.destroy()
  })
  return Object.assign(base, { received, answer })
}
