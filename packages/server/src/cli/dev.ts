import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { api, createClient } from '@valetkey/sdk/contract'
import type { AttemptRecord } from '@valetkey/sdk/core'
import { readOffer } from '@valetkey/sdk/guard'
import type { Command } from 'commander'
import { readContext, writeContext } from './context.ts'
import { type DevAuthority, startDevAuthority } from './dev-authority.ts'
import { addExamples } from './session.ts'
import { untilStopped } from './stop.ts'
import { type Io, UsageError, wantsColor } from './terminal/index.ts'

interface DevOptions {
  port?: string
  memory?: true
  demo: boolean
}

const FIRST_PORT = 4600
const DEMO_SERVER = 'http://127.0.0.1:4611/mcp'

/** Registers `valetkey dev`: everything on this machine, for this machine alone, with the decisions as they happen. */
export function register(program: Command, io: Io): void {
  const command = program
    .command('dev')
    .description(
      'Start an authority on loopback with the demo organization Northwind, and watch decisions live.',
    )
    .option('--port <number>', `port on loopback (the first free one from ${FIRST_PORT})`)
    .option('--memory', 'forget everything at the end')
    .option('--no-demo', 'begin with an empty authority')
    .action(async (options: DevOptions) => dev(io, options))
  addExamples(command, [
    ['valetkey dev', 'data is kept in ./.valetkey'],
    ['valetkey dev --memory --no-demo', 'empty, and forgotten at the end'],
  ])
}

async function dev(io: Io, options: DevOptions): Promise<void> {
  const directory = join(io.cwd, '.valetkey')
  const port = options.port === undefined ? await firstFreePort() : toPort(options.port)
  const known = await readContext(io.cwd).catch(() => undefined)
  const started = await startDevAuthority({
    directory,
    port,
    isInMemory: options.memory === true,
    knownToken: known?.token,
  })
  await signIn(io, started, directory)
  if (options.demo) await seed(started)
  io.out.write(banner(started, directory, options))
  started.authority.onRecords(records => {
    for (const record of records) if (record.type === 'attempt') io.out.write(toLine(record, wantsColor(io)))
  })
  await untilStopped(io)
  await started.authority.close()
  if (options.memory) await rm(join(directory, 'cli.json'), { force: true })
}

/** The command line in this folder talks to this authority from now on. */
async function signIn(io: Io, { authority, token }: DevAuthority, directory: string): Promise<void> {
  const client = createClient(api, { baseUrl: authority.url, token: () => token })
  await client.session.whoami({}).catch(async () => {
    await authority.close()
    throw new UsageError(
      'The token of the last run is gone.',
      `${join(directory, 'cli.json')} is missing or from another authority, and the one-time code was used.`,
      `Begin anew: rm -r ${directory}`,
    )
  })
  await writeContext(io.cwd, { url: authority.url, token })
}

async function seed({ authority, token }: DevAuthority): Promise<void> {
  const { createBillingHandler } = await import('./demo/billing.ts')
  const { seedNorthwind } = await import('./demo/northwind.ts')
  const client = createClient(api, { baseUrl: authority.url, token: () => token })
  const { items } = await client.organizations.list({})
  if (items.some(organization => organization.slug === 'northwind')) return
  const handler = createBillingHandler()
  const offer = await readOffer({ url: DEMO_SERVER, send: request => handler.fetch(request) })
  await seedNorthwind(client, { billing: { url: DEMO_SERVER, offer } })
}

function banner({ authority }: DevAuthority, directory: string, options: DevOptions): string {
  const kept = options.memory
    ? 'in memory, forgotten at the end'
    : `${directory}  (kept between runs; --memory to forget)`
  const demo = options.demo
    ? '  Demo         northwind: maya@northwind.dev, jon@northwind.dev, 4 agents\n'
    : ''
  return `
  valetkey  dev mode, loopback only, not for production

  Issuer       ${authority.url}
  API          ${authority.url}/api/openapi.json
  Metrics      ${authority.adminUrl}/metrics
  Data         ${kept}
${demo}
  Next
    1  npx valetkey demo            one allowed call, one refused call, and the trail
    2  npx valetkey agent ls        this folder is signed in already
    3  npx valetkey server scan NAME --url URL    a map for your own MCP server

  Live decisions appear below. Ctrl-C stops.

`
}

function toLine(record: AttemptRecord, isColored: boolean): string {
  const word = record.decision === 'permit' ? 'permit' : record.enforced ? 'DENY' : 'would deny'
  const color = record.decision === 'permit' ? '\u001b[32m' : '\u001b[31m'
  const verdict = isColored ? `${color}${word}\u001b[0m` : word
  const why =
    record.decision === 'permit' ? '' : `${record.reason}${record.detail ? ` (${record.detail})` : ''}`
  const pad = ' '.repeat(Math.max(0, 10 - word.length))
  const columns = [
    record.agentName ?? record.agent ?? '-',
    record.tool ?? record.method,
    record.resource ?? '-',
    why,
  ]
  return `  ${record.at.slice(11, 19)}  ${verdict}${pad}  ${columns.map(plain).join('  ').trimEnd()}\n`
}

/** Nothing that a caller wrote moves the cursor of who watches. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '�').slice(0, 120)
}

function toPort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new UsageError(`"${text}" is not a port.`, 'A port is a number from 1 to 65535.')
}

async function firstFreePort(): Promise<number> {
  for (let port = FIRST_PORT; port < FIRST_PORT + 100; port++) if (await isFree(port)) return port
  throw new UsageError(
    'No free port.',
    `${FIRST_PORT} to ${FIRST_PORT + 99} are all taken.`,
    'Name one: --port NUMBER',
  )
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
