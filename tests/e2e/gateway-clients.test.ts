import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readOffer } from '@valetkey/sdk/guard'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findFreePort, startFilesServer } from '../../packages/server/src/cli/run/demo/files.ts'
import { startFixture } from '../conformance/fixture/index.ts'
import { inspector, mcpRemote, programOf } from './clients/programs.ts'
import { sdkV1 } from './clients/sdk-v1.ts'
import { sdkV2 } from './clients/sdk-v2.ts'
import type { Errand, Visitor } from './clients/visit.ts'
import { startGatewayStage } from './gateway-stage.ts'
import type { Rules } from './northwind.ts'
import { startWorld, type World } from './world.ts'

const CLIENTS: Record<string, Visitor> = {
  'SDK v1': sdkV1('secret'),
  'SDK v2 legacy': sdkV2('legacy', 'key'),
  'SDK v2 auto': sdkV2('auto', 'secret'),
  'SDK v2 pinned': sdkV2({ pin: '2026-07-28' }, 'key'),
  'mcp-remote legacy': mcpRemote('legacy'),
  'mcp-remote auto': mcpRemote('auto'),
  'Inspector legacy': inspector('legacy'),
  'Inspector modern': inspector('modern'),
}

/** Servers that nobody here wrote (and our fixture, for the current era), and who speaks a revision that they speak. */
const TABLE: Record<string, string[]> = {
  filesystem: ['SDK v1', 'SDK v2 legacy', 'SDK v2 auto', 'mcp-remote auto', 'Inspector legacy'],
  everything: ['SDK v1', 'SDK v2 legacy', 'SDK v2 auto', 'mcp-remote legacy', 'Inspector legacy'],
  fixture: ['SDK v1', 'SDK v2 auto', 'SDK v2 pinned', 'mcp-remote auto', 'Inspector modern'],
}

interface Stage {
  errand: Omit<Errand, 'home'>
  tools: string[]
  answer: string
}

let world: World
const stages = new Map<string, Stage>()
const closers: (() => unknown)[] = []

beforeAll(async () => {
  world = await startWorld()
  closers.push(() => world[Symbol.asyncDispose]())
  const files = await startFilesServer(world.directory)
  closers.push(() => files.close())
  const handbook = join(files.folder, 'handbook.txt')
  await put('filesystem', files.url, {
    rule: ['read_text_file', `args.path == '${handbook}'`],
    permitted: { path: handbook },
    refused: { path: '/etc/passwd' },
    answer: 'second pair of eyes',
  })
  await put('everything', await startEverything(), {
    rule: ['echo', "args.message != 'secret'"],
    permitted: { message: 'hello' },
    refused: { message: 'secret' },
    answer: 'Echo: hello',
  })
  const fixture = await startFixture()
  closers.push(() => fixture.close())
  await put('fixture', fixture.url, {
    rule: ['json_schema_2020_12_tool', "args.email.endsWith('@northwind.test')"],
    permitted: { email: 'maya@northwind.test' },
    refused: { email: 'mallory@evil.test' },
    answer: 'maya@northwind.test',
  })
})

afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

async function put(
  name: string,
  upstream: string,
  story: {
    rule: [tool: string, when: string]
    permitted: Record<string, unknown>
    refused: Record<string, unknown>
    answer: string
  },
): Promise<void> {
  const [tool, when] = story.rule
  const rules: Rules = {
    [tool]: { needs: 'files:read', when, risk: 'read' },
    // The Inspector sets a level wherever a server says that it logs, and gives up where it may not.
    'logging/setLevel': { kind: 'method', needs: 'files:read', risk: 'read' },
  }
  const stage = await startGatewayStage(world, { name, upstream, rules })
  closers.push(() => stage[Symbol.asyncDispose]())
  const errand = {
    url: stage.url,
    issuer: world.url,
    identity: stage.bot,
    permitted: { name: tool, arguments: story.permitted },
    refused: { name: tool, arguments: story.refused },
  }
  stages.set(name, { errand, tools: [tool], answer: story.answer })
}

/** `@modelcontextprotocol/server-everything` as its own HTTP server. */
async function startEverything(): Promise<string> {
  const port = await findFreePort()
  const child = spawn(
    process.execPath,
    [programOf('@modelcontextprotocol/server-everything'), 'streamableHttp'],
    { stdio: 'ignore', env: { ...process.env, PORT: String(port) } },
  )
  closers.push(() => child.kill())
  const url = `http://127.0.0.1:${port}/mcp`
  await vi.waitFor(() => readOffer({ url, send: request => fetch(request) }), {
    timeout: 30_000,
    interval: 50,
  })
  return url
}

for (const [server, clients] of Object.entries(TABLE)) {
  describe(`gateway before ${server}`, () => {
    test.each(clients)('%s lists, makes a permitted call and is refused another', async client => {
      const stage = stages.get(server)
      const visit = CLIENTS[client]
      if (!stage || !visit) throw new Error(`${server} or ${client} is not there`)
      const home = await mkdtemp(join(tmpdir(), 'valetkey-client-'))
      try {
        const { tools, permitted, refused } = await visit({ ...stage.errand, home })
        expect(tools).toEqual(stage.tools)
        expect(permitted).toEqual({ isError: false, text: expect.stringContaining(stage.answer) })
        expect(refused.isError).toBe(true)
        expect(refused.text).toMatch(/^Denied: the condition of this tool does not hold/)
      } finally {
        await rm(home, { recursive: true, force: true })
      }
    })
  })
}
