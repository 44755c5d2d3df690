import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLibrary, LIBRARY_RULES } from './library.ts'
import { valetkey } from './program.ts'
import { startWorld, type World } from './world.ts'

let world: World
let token: string

beforeAll(async () => {
  world = await startWorld()
  const permissions = ['server:read', 'signing_key:read']
  token = (await world.api.apiTokens.create({ name: 'doctor', permissions })).token ?? ''
})
afterAll(() => world?.[Symbol.asyncDispose]())

interface Finding {
  check: string
  status: 'ok' | 'warn' | 'fail'
  found: string
  fix: string
}

async function examine(env: Record<string, string> = {}, args: string[] = []) {
  const cwd = join(world.directory, 'desk')
  await mkdir(cwd, { recursive: true })
  await using program = valetkey(cwd, ['doctor', '--json', ...args], {
    ...{ VALETKEY_URL: world.url, VALETKEY_TOKEN: token },
    ...env,
  })
  const code = await program.ended
  const { items } = JSON.parse(program.out()) as { items: Finding[] }
  return {
    code,
    items,
    of: (check: string) => items.filter(item => item.check === check),
    text: program.out(),
  }
}

test('an installation that works is said to, part by part', async () => {
  const { code, items, of } = await examine()
  expect(items.filter(({ status }) => status === 'fail')).toEqual([])
  expect(code).toBe(0)
  const parts = [
    'configuration',
    'address',
    'clock',
    'issuer',
    'sign-in',
    'database',
    'evidence',
    'mail',
    'signing keys',
    'feed',
  ]
  for (const part of [...parts, 'server billing'])
    expect(
      of(part).map(({ status }) => status),
      part,
    ).toContain('ok')
})

test('whatever is not in order comes with what to do', async () => {
  // A server that nobody serves, a point that is gone, settings that are not safe, a clock that is wrong.
  await world.api.servers.create({ name: 'gone', url: 'http://127.0.0.1:9/mcp' })
  const lost = await world.serve({ name: 'lost', handler: createLibrary().handler, rules: LIBRARY_RULES })
  await lost.guard.close()
  const silent = async () => (await world.api.points.list({})).items.filter(({ live }) => !live).length
  await expect.poll(silent).toBe(1)
  const settings = join(world.directory, 'valetkey.yaml')
  const secret = 'not a master key at all, but somebody’s'
  await writeFile(settings, `issuer: http://auth.example.com\nmasterKey: ${secret}\n`)
  const { code, items, of, text } = await examine({}, ['--config', settings])
  expect(code).toBe(1)
  expect(of('configuration')).toMatchObject([{ status: 'fail', found: expect.stringContaining('masterKey') }])
  expect(text).not.toContain('somebody’s')
  expect(of('server gone')).toMatchObject([
    { status: 'warn', found: expect.stringContaining('does not answer') },
  ])
  expect(of('points')).toMatchObject([
    { status: 'warn', found: expect.stringContaining('1 of 2 do not hear') },
  ])
  for (const { status, fix } of items) expect(status === 'ok' || fix !== '').toBe(true)
})

test('a token that may not, and an authority that is not there', async () => {
  const narrow =
    (await world.api.apiTokens.create({ name: 'narrow', permissions: ['agent:read'] })).token ?? ''
  const refused = await examine({ VALETKEY_TOKEN: narrow })
  expect(refused.code).toBe(1)
  expect(refused.of('node')).toMatchObject([{ status: 'fail', fix: expect.stringContaining('Sign in') }])
  const away = await examine({ VALETKEY_URL: 'http://127.0.0.1:9' })
  expect(away.code).toBe(1)
  expect(away.items.map(({ check, status }) => `${check} ${status}`)).toEqual([
    'configuration ok',
    'authority fail',
  ])
})
