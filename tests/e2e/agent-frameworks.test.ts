import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from './world.ts'

const run = promisify(execFile)

let world: World
let env: Record<string, string>

beforeAll(async () => {
  world = await startWorld()
  const { key } = await world.identify('support-bot')
  const keyFile = join(world.directory, 'support-bot.jwk')
  await writeFile(keyFile, JSON.stringify(key.privateKey), { mode: 0o600 })
  // An agent that must prove its key: no program here gets on with a token alone.
  await world.api.agents.update({ id: 'support-bot', dpop: true })
  env = {
    PATH: process.env['PATH'] ?? '',
    HOME: world.directory,
    VALETKEY_URL: world.url,
    VALETKEY_CLIENT_ID: key.clientId,
    VALETKEY_KEY_FILE: keyFile,
    BILLING_URL: world.billing.url,
    // None of them calls home.
    ...{ MASTRA_TELEMETRY_DISABLED: '1', LANGSMITH_TRACING: 'false', OPENAI_AGENTS_DISABLE_TRACING: '1' },
  }
})
afterAll(() => world?.[Symbol.asyncDispose]())

test.each(['vercel-ai.ts', 'langchain.ts', 'mastra.ts', 'openai-agents.ts'])(
  'examples/agents/%s',
  async file => {
    const { stdout } = await run(process.execPath, [join('examples/agents', file)], { env, timeout: 100_000 })
    expect(stdout).toMatch(/^The tools said: /m)
    expect(stdout).toMatch(/amount.{1,10}120/)
    expect(stdout).toContain('Denied: there is no customer/initech/invoice/INV-7001 here')
  },
)
