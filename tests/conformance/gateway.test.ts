import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { type Gateway, startGateway } from '../../packages/server/src/gateway/index.ts'
import { startWorld, type World } from '../e2e/world.ts'
import { type Fixture, startFixture } from './fixture/index.ts'
import { type Injector, startInjector } from './injector.ts'
import { findDifferences, REVISIONS, runSuite } from './suite.ts'

const AGENT = 'conformance-suite'
const program = resolve(import.meta.dirname, '../../packages/server/bin/valetkey.js')

let world: World
let fixture: Fixture
let gateway: Gateway
let injector: Injector

beforeAll(async () => {
  fixture = await startFixture()
  world = await startWorld()
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}/mcp`
  await mapByScan(url)
  const { key } = await world.api.serverKeys.create({ server: 'fixture' })
  gateway = await startGateway({
    url: world.url,
    serverKey: key ?? '',
    upstream: fixture.url,
    listen: { host: '127.0.0.1', port },
    directory: join(world.directory, 'gateway'),
    drainMs: 100,
  })
  const suite = await world.identify(AGENT)
  let token = await suite.token(url)
  const renewal = setInterval(async () => {
    token = await suite.token(url)
  }, 60_000)
  renewal.unref()
  injector = await startInjector(url, async () => token)
})

afterAll(async () => {
  await injector.close()
  await gateway.close()
  await world[Symbol.asyncDispose]()
  await fixture.close()
})

/** As an administrator would: scan the server, apply what was proposed, give an agent its role. */
async function mapByScan(url: string): Promise<void> {
  const { api, directory } = world
  const { token } = await api.apiTokens.create({ name: 'admin', permissions: ['*'] })
  const env = { ...process.env, VALETKEY_URL: world.url, VALETKEY_TOKEN: token ?? '' }
  const valetkey = (...args: string[]) =>
    promisify(execFile)(process.execPath, [program, ...args], { env, cwd: directory })
  const policy = join(directory, 'fixture.yaml')
  await valetkey('server', 'scan', 'fixture', '--url', fixture.url, '--public-url', url, '--write', policy)
  await valetkey('apply', '-f', policy)
  await api.agents.create({ name: AGENT, owner: 'maya@northwind.test', ceiling: ['fixture:*'] })
  await api.assignments.create({ principal: AGENT, role: 'fixture-operator' })
}

test.each(REVISIONS)(
  '%s: every check has the same outcome through the gateway, with the policy that a scan proposed',
  async revision => {
    const direct = await runSuite(fixture.url, revision)
    expect(direct.complaints).toEqual([])
    const behindGateway = await runSuite(injector.url, revision)
    expect(findDifferences(direct.outcomes, behindGateway.outcomes)).toEqual([])
    expect(behindGateway.complaints).toEqual([])
  },
)
