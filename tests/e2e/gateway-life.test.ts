import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { startGateway } from '../../packages/server/src/gateway/index.ts'
import { startGatewayStage } from './gateway-stage.ts'
import { read, say, send } from './say.ts'
import { type ScriptedUpstream, startScriptedUpstream } from './scripted-upstream.ts'
import { startWorld, type World } from './world.ts'

const program = resolve(import.meta.dirname, '../../packages/server/bin/valetkey.js')
const RULES = { echo: { needs: 'files:read' } }
const ECHO = { name: 'echo' }

let world: World
let upstream: ScriptedUpstream
let names = 0

beforeAll(async () => {
  world = await startWorld()
})

beforeEach(async () => {
  upstream = await startScriptedUpstream()
  return () => upstream[Symbol.asyncDispose]()
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

test('a newer start of the same gateway takes over, and the older one says why it refuses', async () => {
  let serverKey = ''
  await using older = await startGatewayStage(world, {
    name: `server-${++names}`,
    upstream: upstream.url,
    rules: RULES,
    onKey: key => {
      serverKey = key
    },
    gateway: { adminListen: { host: '127.0.0.1', port: 0 } },
  })
  expect((await say(older.url, 'tools/call', ECHO, { token: older.token, era: 'modern' })).status).toBe(200)
  // The same key directory, the spool of the older start apart: two processes on one volume.
  const newer = await startGateway({
    url: world.url,
    serverKey,
    upstream: upstream.url,
    listen: { host: '127.0.0.1', port: 0 },
    directory: await older.copyOfKeys(),
    drainMs: 100,
  })
  const refused = async () =>
    (await say(older.url, 'tools/call', ECHO, { token: older.token, era: 'modern' })).body
  await expect
    .poll(async () => JSON.stringify(await refused()), { timeout: 10_000 })
    .toMatch(/"isError":true.*"reason":"stale"/)
  expect((await refused())?.result?.content?.[0]?.text).toContain('newer start')
  const ready = await fetch(`${older.gateway.adminUrl}/readyz`)
  expect(`${ready.status} ${await ready.text()}`).toMatch(/^503 .*newer start/)
  expect((await fetch(`${older.gateway.adminUrl}/livez`)).status).toBe(200)
  await newer.close()
})

test('a wrong server key is refused at the start, and nothing is left listening', async () => {
  const port = await findFreePort()
  const start = startGateway({
    url: world.url,
    serverKey: 'vk_srv_not-a-key',
    upstream: upstream.url,
    listen: { host: '127.0.0.1', port },
    directory: join(world.directory, 'wrong-key'),
  })
  await expect(start).rejects.toMatchObject({ code: 'auth.invalid' })
  await expect(fetch(`http://127.0.0.1:${port}/mcp`)).rejects.toThrow()
})

test('while the authority cannot be reached every call is refused, and it can be stopped', async () => {
  const port = await findFreePort()
  const stopping = new AbortController()
  const start = startGateway({
    url: `http://127.0.0.1:${await findFreePort()}`,
    serverKey: 'vk_srv_any',
    upstream: upstream.url,
    listen: { host: '127.0.0.1', port },
    directory: join(world.directory, 'alone'),
    signal: stopping.signal,
  })
  start.catch(() => undefined)
  const url = `http://127.0.0.1:${port}/mcp`
  await expect
    .poll(() =>
      say(url, 'ping').then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(503)
  stopping.abort()
  await expect(start).rejects.toMatchObject({ code: 'authority.unreachable' })
  await expect(fetch(url)).rejects.toThrow()
})

test('an upstream that cannot be meant is refused at the start', async () => {
  const start = (target: string) =>
    startGateway({
      url: world.url,
      serverKey: 'vk_srv_any',
      upstream: target,
      listen: { host: '127.0.0.1', port: 0 },
      directory: join(world.directory, 'unused'),
    })
  for (const target of [
    'nowhere',
    'ftp://127.0.0.1/',
    'http://user:pw@127.0.0.1/mcp',
    'http://127.0.0.1/#top',
  ])
    await expect(start(target)).rejects.toMatchObject({ code: 'config.invalid', path: 'upstream' })
})

test('the command says what it does, asked to stop lets a call under way end, and ends with 0', async () => {
  const name = `server-${++names}`
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}/mcp`
  const key = await world.register({
    name,
    url,
    send: request => fetch(new Request(upstream.url, request)),
    rules: RULES,
  })
  await writeFile(join(world.directory, `${name}.key`), `${key}\n`, { mode: 0o600 })
  const args = [
    '--server',
    name,
    '--upstream',
    upstream.url,
    '--listen',
    String(port),
    '--server-key-file',
    `${name}.key`,
  ]
  const child = spawn(process.execPath, [program, 'gateway', ...args], {
    cwd: world.directory,
    env: { ...process.env, VALETKEY_URL: world.url },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said = listenTo(child)
  await expect.poll(said, { timeout: 20_000 }).toContain(`stands before ${name}`)
  expect(said()).toContain(`listens         ${url}`)
  expect(said()).toContain(
    `VALETKEY_URL=${world.url} VALETKEY_SERVER_KEY_FILE=… valetkey gateway --server ${name}`,
  )
  expect(said()).not.toContain(key)
  const token = await (await world.identify('support-bot')).token(url)
  const arrived = Promise.withResolvers<() => void>()
  upstream.onCall = ({ reply }) => arrived.resolve(() => reply({ content: [] }))
  const answer = send(url, 'tools/call', ECHO, { token, era: 'modern' })
  const finish = await arrived.promise
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await expect.poll(said).toContain('stops')
  await expect(fetch(url)).rejects.toThrow()
  finish()
  expect((await read(await answer)).body?.result).toEqual({ resultType: 'complete', content: [] })
  expect(await ended).toEqual([0, null])
  await expect.poll(async () => (await world.calls({ server: name }))[0]?.outcome).toBe('ok')
})

test('the command refuses a key of another server: its rules would guard the wrong one', async () => {
  const [one, other] = [`server-${++names}`, `server-${++names}`]
  const register = (name: string) =>
    world.register({
      name,
      url: `http://127.0.0.1:9/${name}`,
      send: request => fetch(new Request(upstream.url, request)),
      rules: RULES,
    })
  const key = await register(one)
  await register(other)
  const args = ['--server', other, '--upstream', upstream.url, '--listen', '0']
  const child = spawn(process.execPath, [program, 'gateway', ...args], {
    cwd: world.directory,
    env: { ...process.env, VALETKEY_URL: world.url, VALETKEY_SERVER_KEY: key },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said = listenTo(child)
  expect((await once(child, 'exit'))[0]).not.toBe(0)
  expect(said()).toContain(`The server key is one of "${one}", not of "${other}"`)
})

function listenTo(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return () => text
}
