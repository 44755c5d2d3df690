import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { AdminApi, Input, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findOwnOrganization, findSink } from '../find.ts'
import { reserveSecretFile } from '../secret-file.ts'
import { addCommand, addGroup, allPages, collect, type Session, withSession } from '../session.ts'
import { EXIT, type Io, UsageError, type View } from '../terminal/index.ts'

type Sink = Output<AdminApi['sinks']['get']>
type Takes = Sink['takes'][number]

const view: View<Sink & { signingSecret?: string }> = {
  kind: 'Sink',
  name: sink => sink.name,
  columns: [
    { header: 'NAME', value: sink => sink.name },
    { header: 'KIND', value: sink => sink.kind },
    { header: 'FORMAT', value: sink => sink.format },
    { header: 'STATUS', value: sink => (sink.failingSince === null ? sink.status : 'failing') },
    { header: 'WAITING', value: sink => String(sink.backlog) },
    { header: 'SENT', value: sink => String(sink.sent) },
    { header: 'LAST SENT', value: sink => ({ time: sink.lastSentAt }) },
    { header: 'TO', value: sink => sink.url },
    { header: 'LAST ERROR', value: sink => sink.lastError ?? '' },
    { header: 'OF', value: sink => sink.organization ?? 'the configuration', wide: true },
    { header: 'TAKES', value: sink => sink.takes.join(', '), wide: true },
    { header: 'HEADERS', value: sink => sink.headerNames.join(', '), wide: true },
    { header: 'FAILING SINCE', value: sink => ({ time: sink.failingSince }), wide: true },
    { header: 'RETRY', value: sink => ({ time: sink.retryAt }), wide: true },
    { header: 'CREATED', value: sink => ({ time: sink.createdAt }), wide: true },
    { header: 'ID', value: sink => sink.id, wide: true },
  ],
}

/** Where records are sent as they are made. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'sink', {
    summary: 'Where records are sent as they are made: syslog, webhooks, OpenTelemetry',
    examples: [
      ['valetkey sink add siem --kind syslog --to syslog+tls://siem.northwind.dev:6514', 'begin to send'],
      ['valetkey sink ls', 'how that goes, and what waits'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List where records are sent, and how that goes',
    examples: [
      ['valetkey sink ls', 'as a table'],
      ['valetkey sink ls -o wide', 'with all columns'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'show <sink>', {
    summary: 'Show one, with what went wrong last',
    examples: [
      ['valetkey sink show siem', 'by name'],
      ['valetkey sink show siem --json', 'as data'],
    ],
  }).action(withSession(io, show))
  registerAdd(group, io)
  registerSet(group, io)
  addCommand(group, 'test <sink>', {
    summary: 'Send one made-up record there now, and say what came back',
    examples: [
      ['valetkey sink test siem', 'ends with 0 where it arrived'],
      ['valetkey sink test hook', 'the same for a webhook'],
    ],
  }).action(withSession(io, test))
  addConfirmOptions(
    addCommand(group, 'rm <sink>', {
      summary: 'Send nothing there any more; what waits is not sent',
      examples: [
        ['valetkey sink rm siem --yes', 'at once'],
        ['valetkey sink rm siem --dry-run', 'see how much waits'],
      ],
    }),
  ).action(withSession(io, remove))
}

interface Settings {
  to?: string
  format?: Sink['format']
  takes?: string[]
  headersFile?: string
  authority?: string
}

function addSettings(command: Command): Command {
  return command
    .option('--to <url>', 'syslog+tls://HOST:PORT, or an https address')
    .addOption(
      new Option('--format <format>', 'in whose words').choices([
        ...['ocsf', 'cef', 'cloudevents', 'record', 'logs', 'spans'],
      ]),
    )
    .option('--takes <kinds>', 'calls, changes, alerts; all of them unless said otherwise', collect)
    .option('--headers-file <file>', 'headers that go with every request, as "Name: value" on lines')
    .option('--authority <file>', 'PEM of the authorities that the certificate must come from')
}

function registerAdd(group: Command, io: Io): void {
  addSettings(
    addCommand(group, 'add <name>', {
      summary: 'Send records somewhere from now on',
      examples: [
        ['valetkey sink add siem --kind syslog --to syslog+tls://siem.northwind.dev:6514', 'CEF to a SIEM'],
        [
          'valetkey sink add pager --kind webhook --to https://northwind.dev/alerts --takes alerts --secret-file pager.secret',
          'alerts alone, signed',
        ],
        [
          'valetkey sink add traces --kind otlp --format spans --to https://otel.northwind.dev/v1/traces --headers-file otel.headers',
          'calls as spans',
        ],
      ],
    }),
  )
    .addOption(
      new Option('--kind <kind>', 'by what way').choices(['syslog', 'webhook', 'otlp']).makeOptionMandatory(),
    )
    .option('--from-beginning', 'all that is on record, too')
    .option('--secret-file <file>', 'where to write what a webhook is signed with; else it is printed, once')
    .action(withSession(io, add))
}

function registerSet(group: Command, io: Io): void {
  addSettings(
    addCommand(group, 'set <sink>', {
      summary: 'Change, pause or resume it; what is not sent meanwhile waits',
      examples: [
        ['valetkey sink set siem --status paused', 'hold everything back'],
        ['valetkey sink set siem --skip', 'pass over what waits'],
      ],
    }),
  )
    .addOption(new Option('--status <status>', 'whether it sends').choices(['active', 'paused']))
    .option('--skip', 'pass over what waits: it stays in the evidence, and is not sent')
    .action(withSession(io, set))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.sinks.list({ ...page, ...organization })))
}

async function show(session: Session, text: string): Promise<void> {
  session.print.item(view, await findSink(session, text))
}

async function add(
  session: Session,
  name: string,
  options: Settings & { kind: 'syslog' | 'webhook' | 'otlp'; fromBeginning?: boolean; secretFile?: string },
): Promise<void> {
  const { api, io, print } = session
  const { kind, to: url } = options
  if (url === undefined)
    throw new UsageError(
      'Where to?',
      'A sink has an address.',
      'Add --to URL: "valetkey sink add --help" has examples.',
    )
  const { id: organization } = await findOwnOrganization(session)
  const settings = await settingsOf(session, options)
  await using target =
    options.secretFile === undefined ? undefined : await reserveSecretFile(io, options.secretFile)
  const from = options.fromBeginning ? 'beginning' : 'now'
  const { signingSecret, ...made } = await api.sinks.create({
    organization,
    name,
    kind,
    ...settings,
    url,
    from,
  })
  if (signingSecret === null || target) {
    if (target && signingSecret !== null) {
      const path = await target.write(`${signingSecret}\n`)
      print.note(`The signing secret is in ${path}: nothing else shows it.`)
    }
    return print.item(view, made)
  }
  const shown = [
    ...view.columns,
    { header: 'SIGNING SECRET', value: (sink: { signingSecret?: string }) => sink.signingSecret ?? null },
  ]
  print.item({ ...view, columns: shown }, { ...made, signingSecret })
  print.note('The signing secret is shown this once. Have you copied it?')
}

async function set(
  session: Session,
  text: string,
  options: Settings & { status?: Sink['status']; skip?: boolean },
): Promise<void> {
  const { id: sink, organization } = await findSink(session, text)
  const change: Input<AdminApi['sinks']['update']> = {
    ...{ sink, organization: organization ?? undefined, url: options.to, status: options.status },
    ...(await settingsOf(session, options)),
    ...(options.skip && { from: 'now' as const }),
  }
  session.print.item(view, await session.api.sinks.update(change))
}

async function settingsOf({ io }: Session, { format, takes, headersFile, authority }: Settings) {
  const read = (file: string) => readFile(resolve(io.cwd, file), 'utf8')
  return {
    ...(format !== undefined && { format }),
    // The server says what it does not know.
    ...(takes !== undefined && { takes: takes as Takes[] }),
    ...(headersFile !== undefined && { headers: parseHeaders(await read(headersFile)) }),
    ...(authority !== undefined && { authority: await read(authority) }),
  }
}

function parseHeaders(text: string): Record<string, string> {
  const lines = text.split(/\r?\n/).filter(line => line.trim() !== '')
  const pairs = lines.map((line, at) => {
    const [, name, value] = /^([^:\s]+):\s*(.+?)\s*$/.exec(line) ?? []
    if (name === undefined || value === undefined)
      throw new UsageError(`Line ${at + 1} is no header.`, 'A header has a name, a colon and a value.')
    return [name, value] as const
  })
  return Object.fromEntries(pairs)
}

async function test(session: Session, text: string): Promise<void> {
  const { id: sink } = await findSink(session, text)
  const { ok, answer } = await session.api.sinks.test({ sink })
  session.print.say(answer)
  if (!ok) session.io.exitCode = EXIT.error
}

async function remove(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { id: sink, name, backlog } = await findSink(session, text)
  const preview = [`${backlog} records wait there and will not be sent; they stay in the evidence.`]
  if (!(await confirm(session, { name, preview }, options))) return
  session.print.item(view, await session.api.sinks.remove({ sink, reason: options.reason }))
}
