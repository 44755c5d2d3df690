import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Client, type Transport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { enrollAgent, openKeyStore } from '@valetkey/sdk/agent'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { createStdioServer } from '../../packages/server/src/gateway/index.ts'
import type { Rules } from './northwind.ts'
import { type Program, valetkey } from './program.ts'
import { say } from './say.ts'
import { startWorld, type World } from './world.ts'

const MAIN = 'packages/server/bin/valetkey.js'
const ACME = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
const GUESS = { name: 'get_invoice', arguments: { customer: 'initech', id: 'INV-7001' } }
const FILES: Rules = {
  list_directory: { needs: 'files:read', risk: 'read' },
  read_text_file: { needs: 'files:read', risk: 'read' },
  write_file: { needs: 'files:write', risk: 'dangerous' },
}

let world: World
let env: Record<string, string>
let folder: string
let command: string[]

beforeAll(async () => {
  world = await startWorld()
  folder = join(world.directory, 'shared')
  await mkdir(folder)
  await writeFile(join(folder, 'handbook.txt'), 'Refunds over $500 need a second pair of eyes.\n')
  command = [process.execPath, filesystemServer(), folder]
  const agents = join(world.directory, 'agents')
  env = { PATH: process.env['PATH'] ?? '', VALETKEY_AGENT_DIRECTORY: agents }
  await enroll('The key of support-bot is kept in')
  // Nobody gets on with a token alone: the key is in the gateway.
  await world.api.agents.update({ id: 'support-bot', dpop: true })
})
afterAll(() => world?.[Symbol.asyncDispose]())

/** As somebody at this machine does, with a token that may do no more. */
async function enroll(says: string): Promise<void> {
  const permissions = ['agent:read', 'credential:write', 'credential:read']
  const { token } = await world.api.apiTokens.create({ name: `enroller-${says.length}`, permissions })
  const given = { ...env, VALETKEY_URL: world.url, VALETKEY_TOKEN: token ?? '' }
  await using program = valetkey(
    world.directory,
    ['agent', 'enroll', 'support-bot', '--label', 'laptop'],
    given,
  )
  await program.ended
  expect(program.out() + program.err()).toContain(says)
}

/** The unmodified server of somebody else. */
function filesystemServer(): string {
  const path = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-filesystem/package.json')
  return join(dirname(path), 'dist/index.js')
}

/** Registers and maps the filesystem server under a name of its own; gives the file with its key. */
async function register(
  name: string,
  path = '/mcp',
): Promise<{ url: string; port: number; keyFile: string }> {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}${path}`
  const [program = '', ...args] = command
  const bare = createStdioServer({ command: program, args, cwd: folder, log: () => undefined })
  const send = (request: Request) => bare.handler(request, {} as never)
  const key = await world.register({ name, url, send, rules: FILES })
  await bare.close()
  const keyFile = join(world.directory, `${name}.key`)
  await writeFile(keyFile, key, { mode: 0o600 })
  return { url, port, keyFile }
}

/** What a client that can hold no key does: it starts a command and speaks MCP with it. */
async function launch(args: string[], mode: 'auto' | 'legacy' = 'legacy'): Promise<Client & AsyncDisposable> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, 'gateway', ...args],
    env,
    stderr: 'ignore',
  })
  const client = new Client({ name: 'desktop', version: '1' }, { versionNegotiation: { mode } })
  await client.connect(transport as Transport)
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

const textOf = (result: unknown) => (result as { content: { text?: string }[] }).content[0]?.text

test('an agent is enrolled once: its key is kept here, its public part is registered', async () => {
  await enroll('has a key in')
  const { items } = await world.api.credentials.list({ agent: 'support-bot' })
  expect(items.filter(({ label }) => label === 'laptop')).toHaveLength(1)
  const file = join(world.directory, 'agents/support-bot.json')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

describe('over stdio, to the process that started it', () => {
  test.each(['legacy', 'auto'] as const)('calls a guarded server as the agent (%s)', async mode => {
    await using client = await launch(['--as', 'support-bot', '--upstream', world.billing.url], mode)
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name).sort()).toEqual(['get_invoice', 'list_invoices'])
    expect(textOf(await client.callTool(ACME))).toContain('INV-1042')
    expect(textOf(await client.callTool(GUESS))).toMatch(/^Denied: there is no /)
  })

  test('governs somebody else’s server that speaks over stdio itself', async () => {
    const { keyFile } = await register('files')
    const options = ['--server', 'files', '--server-key-file', keyFile, '--url', world.url]
    const directory = ['--directory', join(world.directory, 'gateway-files')]
    await using client = await launch([...options, ...directory, '--as', 'support-bot', '--', ...command])
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name).sort()).toEqual(['list_directory', 'read_text_file'])
    const path = join(folder, 'handbook.txt')
    const read = await client.callTool({ name: 'read_text_file', arguments: { path } })
    expect(textOf(read)).toContain('second pair of eyes')
    const write = { name: 'write_file', arguments: { path, content: 'refund everything' } }
    expect(textOf(await client.callTool(write))).toMatch(/^Denied: no role of this agent holds files:write/)
    expect(await readFile(path, 'utf8')).toContain('second pair of eyes')
    const calls = await world.calls({ server: 'files', agent: 'support-bot' }, 3)
    expect(calls.map(({ tool, decision }) => `${tool} ${decision}`)).toEqual(
      expect.arrayContaining(['read_text_file permit', 'write_file deny']),
    )
  })

  test('under an address without a path too, and nothing of it goes to that address', async () => {
    const { keyFile } = await register('files-bare', '')
    const options = ['--server', 'files-bare', '--server-key-file', keyFile, '--url', world.url]
    const directory = ['--directory', join(world.directory, 'gateway-files-bare')]
    await using client = await launch([...options, ...directory, '--as', 'support-bot', '--', ...command])
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name).sort()).toEqual(['list_directory', 'read_text_file'])
  })

  test('what cannot be called is an answer with the reason, not silence', async () => {
    await using client = await launch(['--as', 'support-bot', '--upstream', world.billing.url])
    await world.api.revocations.create({
      kind: 'credential',
      id: await credentialOf('support-bot'),
      reason: 'lost',
    })
    await expect
      .poll(() => client.callTool(ACME).catch((error: Error) => error))
      .toMatchObject({ code: 40_101, message: expect.stringContaining('The authority refuses a token') })
    const store = await openKeyStore({ directory: join(world.directory, 'agents-2') })
    await enrollAgent(world.api, { issuer: world.url, agent: 'support-bot', store })
    env['VALETKEY_AGENT_DIRECTORY'] = join(world.directory, 'agents-2')
  })
})

async function credentialOf(agent: string): Promise<string> {
  const { items } = await world.api.credentials.list({ agent })
  return items.find(({ label }) => label === 'laptop')?.id ?? ''
}

describe('by HTTP', () => {
  test('a server that speaks over stdio, for callers with tokens of their own', async () => {
    const { url, port, keyFile } = await register('files-http')
    const options = ['--server', 'files-http', '--server-key-file', keyFile, '--url', world.url]
    await using program = valetkey(world.directory, [
      ...['gateway', ...options, '--listen', String(port), '--', ...command],
    ])
    await program.says('every call decided')
    await world.api.agents.update({ id: 'support-bot', dpop: false })
    const token = await (await world.identify('support-bot')).token(url)
    expect((await say(url, 'tools/list')).status).toBe(401)
    const initialize = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'x', version: '1' },
    }
    const { headers } = await say(url, 'initialize', initialize, { token })
    const session = { 'mcp-session-id': headers.get('mcp-session-id') ?? '' }
    const list = { name: 'list_directory', arguments: { path: folder } }
    const called = await say(url, 'tools/call', list, { token, headers: session })
    expect(called.body.result.content[0].text).toContain('handbook.txt')
    const unknown = await say(url, 'tools/call', list, { token, headers: { 'mcp-session-id': 'guessed' } })
    expect(unknown.status).toBe(404)
    // Nor does the newest revision lead into a session, which it does not have.
    const modern = await say(url, 'tools/call', list, { token, headers: session, era: 'modern' })
    expect(modern.body.error).toMatchObject({
      code: 50_301,
      message: expect.stringContaining('no such session'),
    })
    await world.api.agents.update({ id: 'support-bot', dpop: true })
    program.signal('SIGTERM')
    expect(await program.ended).toBe(0)
  })

  test('on loopback, only who knows the secret of this launch', async () => {
    await using program = lend(['--listen', '127.0.0.1:0'])
    await program.says(/"authorization":"Bearer vk_launch_[\w-]{43}"/)
    const { url, authorization } = JSON.parse(program.out()) as { url: string; authorization: string }
    const called = await say(url, 'tools/call', ACME, { headers: { authorization }, era: 'modern' })
    expect(called.text).toContain('INV-1042')
    const refused = async (headers: Record<string, string>) =>
      (await say(url, 'tools/call', ACME, { headers, era: 'modern' })).status
    expect(await refused({})).toBe(401)
    expect(await refused({ authorization: `${authorization}x` })).toBe(401)
    expect(await refused({ authorization, origin: 'https://evil.example' })).toBe(403)
    expect(await refused({ authorization, origin: new URL(url).origin })).toBe(403)
    expect((await fetch(url.replace('/mcp', '/'), { headers: { authorization } })).status).toBe(404)
  })

  test('the secret goes into a file where that is asked for', async () => {
    const file = join(world.directory, 'launch.secret')
    await using program = lend(['--listen', '127.0.0.1:0', '--secret-file', file])
    await program.says('"authorizationFile"')
    expect(program.out()).not.toContain('vk_launch_')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readFile(file, 'utf8')).toMatch(/^Bearer vk_launch_/)
    program.signal('SIGTERM')
    expect(await program.ended).toBe(0)
    // The secret opens nothing any more, and the next launch begins as this one did.
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

function lend(args: string[]): Program {
  return valetkey(
    world.directory,
    ['gateway', '--as', 'support-bot', '--upstream', world.billing.url, ...args],
    env,
  )
}
