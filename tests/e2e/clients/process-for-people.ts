import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import type { Decide, Introduction, PeopleClient } from './for-people.ts'
import { programOf } from './programs.ts'
import { toSeen } from './visit.ts'

interface Options {
  url: string
  /** A folder of its own, in which it keeps its tokens. */
  home: string
  introduction: Introduction
  decide: Decide
}

const environment = (home: string) => ({ HOME: home, PATH: dirname(process.execPath) })

/** mcp-remote between a desktop host and a server. Its person opens each address that it prints. */
export async function mcpRemoteForPeople(
  { url, home, introduction, decide }: Options,
  protocol: 'legacy' | 'auto',
): Promise<PeopleClient> {
  const { redirect, document, clientId } = introduction
  const { port } = new URL(redirect)
  const info = JSON.stringify({ client_id: clientId })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [
      ...[programOf('mcp-remote'), url, port, '--host', '127.0.0.1', '--callback-path', '/callback'],
      ...['--protocol', protocol, '--transport', 'http-only', '--auth-timeout', '20'],
      ...(document === undefined ? [] : ['--client-metadata-url', document]),
      ...(clientId === undefined ? [] : ['--static-oauth-client-info', info]),
    ],
    env: { ...environment(home), MCP_REMOTE_CONFIG_DIR: home },
    stderr: 'pipe',
  })
  const watch = watchFor(/Please authorize this client by visiting:\n(\S+)\n/g, opening(decide))
  transport.stderr?.on('data', watch.read)
  const client = new Client({ name: 'desktop-host', version: '1.0.0' })
  await watch.orNoise(client.connect(transport))
  return {
    call: async call => toSeen(await watch.orNoise(client.callTool(call))),
    close: () => client.close(),
  }
}

/** mcp-remote without a browser: it prints a code, and its person types that somewhere else. */
export async function mcpRemoteByCode(
  { url, home }: Pick<Options, 'url' | 'home'>,
  type: (code: string) => Promise<unknown>,
): Promise<PeopleClient> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [programOf('mcp-remote'), url, '--device-code', '--transport', 'http-only'],
    env: { ...environment(home), MCP_REMOTE_CONFIG_DIR: home },
    stderr: 'pipe',
  })
  const watch = watchFor(/enter the code: (\S+)\n/g, type)
  transport.stderr?.on('data', watch.read)
  const client = new Client({ name: 'desktop-host', version: '1.0.0' })
  await watch.orNoise(client.connect(transport))
  return {
    call: async call => toSeen(await watch.orNoise(client.callTool(call))),
    close: () => client.close(),
  }
}

/** The Inspector's command line: one process a call, with what the one before has stored. It asks before it asks for more. */
export async function inspectorForPeople({
  url,
  home,
  introduction,
  decide,
}: Options): Promise<PeopleClient> {
  const { redirect, document, clientId } = introduction
  const call: PeopleClient['call'] = ({ name, arguments: args }) => {
    const line = [
      ...[programOf('@modelcontextprotocol/inspector'), '--cli', '--server-url', url, '--transport', 'http'],
      ...['--callback-url', redirect, '--format', 'json', '--quiet'],
      ...(document === undefined ? [] : ['--client-metadata-url', document]),
      ...(clientId === undefined ? [] : ['--client-id', clientId]),
      ...['--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)],
    ]
    // It may ask people only where a browser could open; there is none on this path, so it prints the address alone.
    const env = { ...environment(home), MCP_AUTO_OPEN_ENABLED: 'true', MCP_INSPECTOR_SECRET_STORE: 'file' }
    const child = spawn(process.execPath, line, { env, timeout: 60_000 })
    const watch = watchFor(/Please navigate to: (\S+)\n/g, opening(decide))
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      watch.read(chunk)
      if (chunk.toString().includes('[y/N]')) child.stdin.write('y\n')
    })
    const ended = new Promise<string>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', () => (output.trim() === '' ? reject(new Error('no result')) : resolve(output)))
    })
    return watch.orNoise(ended.then(text => toSeen(resultOf(text))))
  }
  return { call, close: async () => undefined }
}

function resultOf(text: string): unknown {
  const { result, error } = JSON.parse(text) as { result?: unknown; error?: { message: string } }
  if (error) throw new Error(error.message)
  return result
}

/** Opens each address that a program asks its person to, and goes back to it. */
function opening(decide: Decide) {
  return async (url: string) => fetch(await decide(new URL(url)))
}

/** Reads what a program prints, and lets its person do each thing that it asks them to. */
function watchFor(asked: RegExp, act: (what: string) => Promise<unknown>) {
  let noise = ''
  let seen = 0
  return {
    read(chunk: Buffer) {
      noise += chunk.toString()
      for (const [, what = ''] of [...noise.matchAll(asked)].slice(seen)) {
        seen++
        act(what).catch(fault => {
          noise += `\n${fault}\n`
        })
      }
    },
    /** Fails with what the program said. */
    async orNoise<T>(work: Promise<T>): Promise<T> {
      try {
        return await work
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : cause
        throw new Error(`${message}\n${noise.slice(-4_000)}`, { cause })
      }
    },
  }
}
