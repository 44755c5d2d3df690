import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { Mode } from '@valetkey/sdk/core'
import { type Command, Option } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { expiryOf } from '../expiry.ts'
import { findServer, findServerKey } from '../find.ts'
import { readValue, reserveSecretFile } from '../secret-file.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'
import { registerForwards } from './forward.ts'
import { registerScan } from './scan/index.ts'

type McpServer = Output<AdminApi['servers']['get']>
type ServerKey = Output<AdminApi['serverKeys']['list']>['items'][number]

const view: View<McpServer> = {
  kind: 'Server',
  name: server => server.name,
  columns: [
    { header: 'NAME', value: server => server.name },
    { header: 'URL', value: server => server.url },
    { header: 'MODE', value: server => server.mode },
    { header: 'UNTIL', value: server => ({ time: server.observeUntil }) },
    { header: 'STATUS', value: server => server.status },
    { header: 'CREATED', value: server => ({ time: server.createdAt }) },
    { header: 'ID', value: server => server.id },
    {
      header: 'UPSTREAM CREDENTIAL',
      value: server => (server.hasUpstreamCredential ? 'yes' : 'no'),
      wide: true,
    },
  ],
}

const keyView: View<ServerKey & { key?: string }> = {
  kind: 'ServerKey',
  name: key => key.id,
  columns: [
    { header: 'ID', value: key => key.id },
    { header: 'LABEL', value: key => key.label },
    { header: 'STATUS', value: key => key.status },
    { header: 'CREATED', value: key => ({ time: key.createdAt }) },
    { header: 'LAST USED', value: key => ({ time: key.lastUsedAt }) },
    { header: 'CREATED BY', value: key => key.createdBy, wide: true },
  ],
}

const modeOption = () =>
  new Option(
    '--mode <mode>',
    'enforce refuses what is denied; audit records and lets it pass; observe, for a while, also lets pass who has no identity here',
  ).choices(Mode.options)
const untilOption = () => new Option('--until <time>', 'when observe ends, within 30 days: as 7d, or a day')

/** MCP servers: what agents call. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'server', {
    summary: 'MCP servers: register, scan, and the keys of their guards and gateways',
    examples: [
      ['valetkey server add billing --url https://mcp.northwind.dev/billing', 'register one'],
      ['valetkey server scan billing --url http://localhost:8000/mcp', 'propose a map of its tools'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List MCP servers',
    examples: [
      ['valetkey server ls', 'as a table'],
      ['valetkey server ls -o wide', 'with all columns'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'get <server>', {
    summary: 'Show an MCP server',
    examples: [
      ['valetkey server get billing', 'by name'],
      ['valetkey server get https://mcp.northwind.dev/billing', 'by its URL'],
    ],
  }).action(withSession(io, get))
  addCommand(group, 'add <name>', {
    summary: 'Register an MCP server by its public URL',
    examples: [
      [
        'valetkey server add billing --url https://mcp.northwind.dev/billing',
        'refuses all that is not mapped',
      ],
      [
        'valetkey server add billing --url http://127.0.0.1:4611/mcp --mode audit',
        'only records, for a start',
      ],
    ],
  })
    .requiredOption('--url <url>', 'the URL that clients call; it is the audience of tokens')
    .addOption(modeOption())
    .addOption(untilOption())
    .action(withSession(io, add))
  addCommand(group, 'set <server>', {
    summary: 'Change, freeze or thaw an MCP server',
    examples: [
      ['valetkey server set billing --mode enforce', 'begin to refuse'],
      ['valetkey server set billing --mode observe --until 7d', 'find out who calls without an identity'],
      ['valetkey server set billing --status frozen', 'refuse every call of it'],
    ],
  })
    .option('--url <url>', 'the URL that clients call')
    .addOption(modeOption())
    .addOption(untilOption())
    .addOption(
      new Option('--status <status>', 'whether calls are decided at all').choices(['active', 'frozen']),
    )
    .option('--reason <text>', 'why, for the record; who thaws a server has to say it')
    .action(withSession(io, set))
  registerScan(group, io)
  registerKeys(group, io)
  registerForwards(group, io)
  addCommand(group, 'credential <server>', {
    summary: 'Store the header that the gateway adds towards the server; no agent ever sees it',
    examples: [
      ['valetkey server credential billing --value-file token', 'an authorization header'],
      ['valetkey server credential billing --header x-api-key < key', 'another one, from the standard input'],
    ],
  })
    .option('--header <name>', 'name of the header', 'authorization')
    .option('--value-file <file>', 'file that holds its value, as "Bearer …"; else the standard input')
    .action(withSession(io, setCredential))
}

function registerKeys(servers: Command, io: Io): void {
  const group = addGroup(servers, 'key', {
    summary: 'Keys by which guards and gateways of a server introduce themselves',
    examples: [
      ['valetkey server key create billing --secret-file billing.key', 'make one'],
      ['valetkey server key ls billing', 'see which are in use'],
    ],
  })
  addCommand(group, 'ls <server>', {
    summary: 'List the keys of a server',
    examples: [
      ['valetkey server key ls billing', 'as a table'],
      ['valetkey server key ls billing --json', 'for a script'],
    ],
  }).action(withSession(io, listKeys))
  addCommand(group, 'create <server>', {
    summary: 'Make a key for guards and gateways of a server',
    examples: [
      ['valetkey server key create billing --secret-file billing.key', 'into a file that only you can read'],
      ['valetkey server key create billing --label kubernetes', 'printed, once'],
    ],
  })
    .option('--label <text>', 'where it is used')
    .option('--secret-file <file>', 'where to write it; else it is printed, once')
    .action(withSession(io, createKey))
  addConfirmOptions(
    addCommand(group, 'revoke <server> <key>', {
      summary: 'Shut out the guards and gateways that use a key',
      examples: [
        ['valetkey server key revoke billing sky_01kam --yes', 'at once'],
        ['valetkey server key revoke billing sky_01kam --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, revokeKey))
}

async function list({ api, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.servers.list(page)))
}

async function get(session: Session, text: string): Promise<void> {
  session.print.item(view, await findServer(session, text))
}

type Settings = Partial<Pick<McpServer, 'url' | 'mode'>> & {
  status?: 'active' | 'frozen'
  until?: string
  reason?: string
}

async function add(session: Session, name: string, settings: Settings & { url: string }): Promise<void> {
  const { url, mode } = settings
  const observeUntil = endOf(session, settings)
  const server = await session.api.servers.create({ name, url, mode, observeUntil })
  session.print.item(view, server)
  session.print.note(`Next: valetkey server scan ${server.name} --url UPSTREAM --write ${server.name}.yaml`)
}

async function set(session: Session, text: string, settings: Settings): Promise<void> {
  const { url, mode, status, reason } = settings
  const observeUntil = endOf(session, settings)
  const { id } = await findServer(session, text)
  session.print.item(view, await session.api.servers.update({ id, url, mode, observeUntil, status, reason }))
}

/** Observation without an end would be no mode but a hole. */
function endOf(session: Session, { mode, until }: Settings): string | undefined {
  if (mode === 'observe' && until === undefined)
    throw new UsageError(
      'The mode observe has no end.',
      'While a server is observed, callers without an identity pass.',
      'Say for how long: --until 7d',
    )
  return until === undefined ? undefined : expiryOf(until, session)
}

async function setCredential(
  session: Session,
  text: string,
  { header, valueFile }: { header: string; valueFile?: string },
): Promise<void> {
  const { id } = await findServer(session, text)
  const value = await readValue(session.io, valueFile)
  session.print.item(view, await session.api.servers.setUpstreamCredential({ id, header, value }))
}

async function listKeys(session: Session, text: string): Promise<void> {
  const { id } = await findServer(session, text)
  const { api, print } = session
  print.list(keyView, await allPages(page => api.serverKeys.list({ ...page, server: id })))
}

async function createKey(
  session: Session,
  text: string,
  { label, secretFile }: { label?: string; secretFile?: string },
): Promise<void> {
  const { id } = await findServer(session, text)
  const { api, io, print } = session
  await using target = secretFile === undefined ? undefined : await reserveSecretFile(io, secretFile)
  const { key, ...created } = await api.serverKeys.create({ server: id, label })
  if (target && key !== null) {
    const path = await target.write(`${key}\n`)
    print.item(keyView, created)
    print.note(`The key is in ${path}: nothing else has it.`)
    return
  }
  const shown = [...keyView.columns, { header: 'KEY', value: (item: { key?: string }) => item.key ?? null }]
  print.item({ ...keyView, columns: shown }, key === null ? created : { ...created, key })
  print.note('The key is shown this once. Have you copied it?')
}

async function revokeKey(
  session: Session,
  text: string,
  keyText: string,
  options: ConfirmOptions,
): Promise<void> {
  const server = await findServer(session, text)
  const key = await findServerKey(session, server.id, keyText)
  const points = await allPages(page => session.api.points.list(page))
  const live = points.filter(point => point.server === server.id && point.live).length
  const preview = [
    `Guards and gateways of ${server.name} that use this key are shut out; ${live} are running, with any key.`,
    'What they got by it to call other servers for their callers is refused at once.',
  ]
  if (!(await confirm(session, { name: key.id, preview }, options))) return
  const { reason } = options
  session.print.item(keyView, await session.api.serverKeys.revoke({ server: server.id, id: key.id, reason }))
}
