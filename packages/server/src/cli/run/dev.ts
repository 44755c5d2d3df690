import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { api, createClient } from '@valetkey/sdk/contract'
import type { ServerOffer } from '@valetkey/sdk/guard'
import type { Command } from 'commander'
import { writeContext } from '../context.ts'
import { addExamples } from '../session.ts'
import { type Io, UsageError, wantsColor } from '../terminal/index.ts'
import { type DevAuthority, startDevAuthority } from './dev-authority.ts'
import { toLiveLine, toMailLine } from './live-line.ts'
import { releaseMemory } from './release-memory.ts'
import { untilStopped } from './stop.ts'

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
  const isInMemory = options.memory === true
  const port = options.port === undefined ? await firstFreePort() : toPort(options.port)
  const started = await startDevAuthority({ directory, port, isInMemory })
  const { authority } = started
  const signedIn = join(directory, 'cli.json')
  const before = isInMemory ? await readFile(signedIn, 'utf8').catch(() => undefined) : undefined
  // Before anything says that it runs: whoever reads that may ask it to stop.
  const stopped = untilStopped(io)
  try {
    await signIn(io, started, directory)
    if (options.demo) await seed(started)
    io.out.write(banner(started, directory, options))
    const isColored = wantsColor(io)
    authority.onMail(mail => io.out.write(toMailLine(mail)))
    authority.onCall((record, server) => io.out.write(toLiveLine(record, server, isColored)))
    await releaseMemory()
    await stopped
  } finally {
    await authority.close()
    // What was signed in before this authority was, is again.
    if (isInMemory) await (before === undefined ? rm(signedIn, { force: true }) : writeFile(signedIn, before))
  }
}

/** The command line in this folder talks to this authority from now on. */
async function signIn(io: Io, { authority, token }: DevAuthority, directory: string): Promise<void> {
  const client = createClient(api, { baseUrl: authority.url, token: () => token })
  await client.session.whoami({}).catch(() => {
    throw new UsageError(
      'The token of the first run is gone.',
      `${join(directory, 'dev.token')} is missing, or its token was revoked, and the one-time code was used.`,
      `Begin anew: rm -r ${directory}`,
    )
  })
  await writeContext(io.cwd, { url: authority.url, token })
}

async function seed({ authority, token }: DevAuthority): Promise<void> {
  const client = createClient(api, { baseUrl: authority.url, token: () => token })
  const { items } = await client.organizations.list({})
  if (items.some(organization => organization.slug === 'northwind')) return
  const { seedNorthwind } = await import('./demo/northwind.ts')
  // Kept as data: making it takes the MCP SDK, which an authority has no other use for.
  const { default: offer } = await import('./demo/billing-offer.json', { with: { type: 'json' } })
  await seedNorthwind(client, { billing: { url: DEMO_SERVER, offer: offer as ServerOffer } })
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
  Sign in      ${authority.url}/sign-in   (mails: ${authority.url}/outbox)
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
