import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminApi, api, type Client, createClient } from '@valetkey/sdk/contract'
import { createGuard } from '@valetkey/sdk/guard'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBillingHandler } from '../../packages/server/src/cli/run/demo/billing.ts'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { identify } from './identity.ts'
import { type Program, valetkey } from './program.ts'

let directory: string
let port: number
let url: string

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'valetkey-dev-'))
  port = await findFreePort()
  url = `http://127.0.0.1:${port}`
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Starts `valetkey dev` in the test's directory, and waits until it shows decisions. */
async function dev(...options: string[]): Promise<Program> {
  const program = valetkey(directory, ['dev', '--port', String(port), ...options])
  await program.says('Live decisions appear below')
  return program
}

async function stop(program: Program): Promise<void> {
  program.signal('SIGTERM')
  expect(await program.ended).toBe(0)
}

const saved = () =>
  JSON.parse(readFileSync(join(directory, '.valetkey/cli.json'), 'utf8')) as { url: string; token: string }

/** The admin API, with what `dev` signed this directory in with. */
function client(): Client<AdminApi> {
  const { url: baseUrl, token } = saved()
  return createClient(api, { baseUrl, token: () => token })
}

const agents = async () =>
  (await client().agents.list({ organization: 'northwind' })).items.map(({ name }) => name)

test('it is up in seconds, seeds Northwind once, signs the directory in, and keeps its data', async () => {
  const began = performance.now()
  {
    await using program = await dev()
    // Two seconds on a machine that does nothing else; the bench measures that.
    expect(performance.now() - began).toBeLessThan(20_000)
    expect(program.out()).toContain(`Issuer       ${url}\n`)
    expect(saved().url).toBe(url)
    for (const name of ['cli.json', 'dev.token', 'master.key', 'valetkey.db', 'audit', 'audit/evidence.db'])
      expect([name, statSync(join(directory, '.valetkey', name)).mode & 0o077]).toEqual([name, 0])
    expect((await agents()).sort()).toEqual([
      'billing-analyst',
      'file-keeper',
      'research-agent',
      'support-bot',
    ])
    await using listed = valetkey(directory, ['agent', 'ls', '-o', 'name'])
    expect(await listed.ended).toBe(0)
    expect(listed.out().trim().split('\n')).toHaveLength(4)
    await client().agents.create({
      organization: 'northwind',
      name: 'mine',
      owner: 'maya@northwind.dev',
      ceiling: [],
    })
    await stop(program)
  }
  const { token } = saved()
  rmSync(join(directory, '.valetkey/cli.json'))
  await using program = await dev()
  expect(saved().token).toBe(token)
  expect(await agents()).toHaveLength(5)
  expect((await client().organizations.list({})).items).toHaveLength(1)
  await stop(program)
  expect(program.err()).toBe('')
})

test('--memory forgets, and leaves the directory signed in where it was', async () => {
  {
    await using program = await dev('--no-demo')
    await client().organizations.create({ slug: 'kept', name: 'Kept' })
    await stop(program)
  }
  const before = saved()
  {
    await using program = await dev('--memory')
    expect(saved().token).not.toBe(before.token)
    expect(await agents()).toHaveLength(4)
    await stop(program)
  }
  expect(saved()).toEqual(before)
  expect(statSync(join(directory, '.valetkey/cli.json')).mode & 0o077).toBe(0)
  await using program = await dev('--no-demo')
  expect((await client().organizations.list({})).items.map(({ slug }) => slug)).toEqual(['kept'])
  await stop(program)
})

test('in a directory that nobody worked in, --memory leaves nobody signed in', async () => {
  await using program = await dev('--memory', '--no-demo')
  expect(program.out()).toContain('forgotten at the end')
  expect((await client().organizations.list({})).items).toEqual([])
  await stop(program)
  expect(existsSync(join(directory, '.valetkey/cli.json'))).toBe(false)
  expect(existsSync(join(directory, '.valetkey/valetkey.db'))).toBe(false)
})

test('it listens on loopback alone, and answers there under any name', async () => {
  await using program = await dev('--memory', '--no-demo')
  const adminPort = Number(/Metrics +http:\/\/127\.0\.0\.1:(\d+)/.exec(program.out())?.[1])
  const outside = Object.values(networkInterfaces()).flatMap(all =>
    (all ?? []).filter(({ internal }) => !internal),
  )
  for (const { address, family } of outside)
    if (family === 'IPv4')
      for (const taken of [port, adminPort])
        expect([address, await answers(address, taken)]).toEqual([address, false])
  expect(await answers('127.0.0.1', adminPort)).toBe(true)

  const { token } = saved()
  for (const host of [
    `localhost:${port}`,
    '127.0.0.9',
    '10.0.0.5:4600',
    'my-laptop.local',
    `[::1]:${port}`,
  ]) {
    expect([host, await statusOf('/api/whoami', { host, authorization: `Bearer ${token}` })]).toEqual([
      host,
      200,
    ])
    expect([host, await statusOf('/.well-known/oauth-authorization-server', { host })]).toEqual([host, 200])
  }
  await stop(program)
})

test('a decision shows as a line, and counts under the name of its server', async () => {
  await using program = await dev()
  const { key } = await client().serverKeys.create({ server: 'billing', label: 'test' })
  const guard = createGuard({ url, serverKey: key ?? '', directory: join(directory, 'guard') })
  await guard.ready()
  const agent = await identify(client(), url, 'support-bot')
  const guarded = guard.fetch(createBillingHandler().fetch)
  const token = await agent.token('http://127.0.0.1:4611/mcp')
  const call = (name: string, args: object) =>
    guarded(
      new Request('http://127.0.0.1:4611/mcp', {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2025-11-25',
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name, arguments: args },
        }),
      }),
    ).then(response => response.text())
  expect(await call('get_invoice', { customer: 'acme', id: 'INV-1042' })).toContain('paid')
  await call('export_customers', {})
  await call('get_invoice', { customer: '\u001b[2Jacme', id: 'INV-1042' })
  await program.says(/\d\d:\d\d:\d\d {2}permit {6}support-bot {5} +billing\.get_invoice +customer\/acme/)
  await program.says(/DENY {8}support-bot {5} +billing\.export_customers .*tool_unmapped/)
  expect(program.out()).not.toContain('\u001b')

  const metrics = await fetch(`${/Metrics +(\S+)/.exec(program.out())?.[1]}`).then(answer => answer.text())
  expect(metrics).toContain(
    'valetkey_decisions_total{verdict="permit",reason="permitted",server="billing",mode="enforce"}',
  )
  expect(metrics).toContain(
    'valetkey_decisions_total{verdict="deny",reason="tool_unmapped",server="billing",mode="enforce"} 1',
  )
  expect(metrics).toContain('valetkey_token_issued_total{grant="client_credentials"} 1')
  await guard.close()
  await stop(program)
})

test('data whose token is gone is not taken over: it says how to begin anew', async () => {
  {
    await using program = await dev('--no-demo')
    await stop(program)
  }
  rmSync(join(directory, '.valetkey/dev.token'))
  await using again = valetkey(directory, ['dev', '--port', String(port)])
  expect(await again.ended).toBe(2)
  expect(again.err()).toMatch(/dev\.token is missing[\s\S]*Begin anew: rm -r /)
})

function answers(host: string, at: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port: at, timeout: 2_000 })
    const say = (isOpen: boolean) => {
      socket.destroy()
      resolve(isOpen)
    }
    socket
      .once('connect', () => say(true))
      .once('error', () => say(false))
      .once('timeout', () => say(false))
  })
}

/** By hand, since fetch writes its own `Host`. */
function statusOf(path: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}${path}`, { headers }, response => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.once('error', reject).end()
  })
}
