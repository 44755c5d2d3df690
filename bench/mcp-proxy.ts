import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readOffer } from '@valetkey/sdk/guard'
import { findFreePort } from '../packages/server/src/cli/run/demo/files.ts'
import { cpuMicrosOf } from './child.ts'

/** The peer: mcp-proxy before an equivalent server on stdio. */
export interface Peer {
  url: string
  session: Record<string, string>
  /** The bridge and the server behind it. */
  pids: readonly number[]
  /** CPU of both, in microseconds. */
  cpuMicros(): number
  stop(): void
}

export async function startMcpProxy(): Promise<Peer> {
  const port = await findFreePort()
  const bridge = fileURLToPath(new URL('../node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs', import.meta.url))
  const server = fileURLToPath(new URL('./programs/stdio-server.ts', import.meta.url))
  const options = ['--host', '127.0.0.1', '--port', String(port), '--server', 'stream']
  const child = spawn(process.execPath, [bridge, ...options, '--', process.execPath, server], {
    stdio: 'ignore',
  })
  process.once('exit', () => child.kill())
  const url = `http://127.0.0.1:${port}/mcp`
  await whenUp(url, child)
  const pids = [child.pid ?? 0, ...childrenOf(child.pid ?? 0)]
  return {
    url,
    session: await openSession(url),
    pids,
    cpuMicros: () => cpuMicrosOf(pids),
    stop: () => void child.kill(),
  }
}

async function whenUp(url: string, child: ChildProcess): Promise<void> {
  for (const until = Date.now() + 20_000; ; ) {
    try {
      await readOffer({ url, send: request => fetch(request) })
      return
    } catch (fault) {
      if (child.exitCode !== null || Date.now() > until) throw fault
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
}

async function openSession(url: string): Promise<Record<string, string>> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const post = (body: object, more = {}) =>
    fetch(url, { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify(body) })
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1.0.0' },
  }
  const response = await post({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  await response.text()
  const session = { 'mcp-session-id': response.headers.get('mcp-session-id') ?? '' }
  await (await post({ jsonrpc: '2.0', method: 'notifications/initialized' }, session)).text()
  return session
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}
