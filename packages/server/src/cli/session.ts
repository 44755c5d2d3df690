import { type AdminApi, api, type Client, createClient } from '@valetkey/sdk/contract'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type CliContext, findContext } from './context.ts'
import { createPrinter, FORMATS, type Io, type Printer, type PrintOptions } from './terminal/index.ts'

/** What a command works with: the API, signed in, and a place to print. */
export interface Session {
  io: Io
  api: Client<AdminApi>
  context: CliContext
  print: Printer
  /** `--org`, to pass on where an operation takes an organization. */
  organization: { organization?: string }
  utc: boolean
}

interface GlobalOptions extends PrintOptions {
  url?: string
  tokenFile?: string
  org?: string
}

const GLOBAL_GROUP = 'Global options:'

/** Commands that take the global options. */
const global = new WeakSet<Command>()

/** What a command is for, and the two examples that open its help. */
export interface About {
  summary: string
  examples: readonly (readonly [command: string, effect: string])[]
}

/** Adds a command under another, which takes the global options too; its help begins with examples. */
export function addCommand(parent: Command, usage: string, about: About): Command {
  const command = parent.command(usage).description(about.summary)
  addExamples(command, about.examples)
  global.add(command)
  return command
}

/** Adds a noun: it holds commands and does nothing itself. */
export function addGroup(program: Command, name: string, about: About): Command {
  const group = program.command(name).description(about.summary).helpCommand(false)
  addExamples(group, about.examples)
  return group
}

export function addExamples(command: Command, examples: About['examples']): void {
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, effect]) => `  ${line.padEnd(width)}  ${effect}`)
  command.addHelpText('before', `Examples:\n${lines.join('\n')}\n`)
}

/**
 * Completes all commands below one: they end like it, and take the global options after their own. Where a command has
 * a `--url` of its own, the authority's address stands before the command, or in VALETKEY_URL.
 */
export function completeCommands(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent)
    if (global.has(command))
      for (const option of globalOptions())
        if (!command.options.some(own => own.long === option.long)) command.addOption(option)
    completeCommands(command)
  }
}

export function globalOptions(): Option[] {
  const token =
    'file that holds the API token; else VALETKEY_TOKEN, VALETKEY_TOKEN_FILE or .valetkey/cli.json'
  return [
    new Option('-o, --output <format>', 'how to print').choices(FORMATS),
    new Option('--json', 'short for -o json'),
    new Option('--columns <names>', 'only these columns, comma-separated'),
    new Option('--utc', 'show and read times in UTC'),
    new Option('--color <when>', 'colour verdicts').choices(['auto', 'always', 'never']),
    new Option('--org <name>', 'organization, by slug or id; else VALETKEY_ORGANIZATION'),
    new Option('--url <url>', 'address of the authority; else VALETKEY_URL or .valetkey/cli.json'),
    new Option('--token-file <file>', token),
  ].map(option => option.helpGroup(GLOBAL_GROUP))
}

/** Makes a commander action of a function that gets a session, the arguments and the command's options. */
export function withSession<A extends unknown[]>(
  io: Io,
  work: (session: Session, ...args: A) => Promise<void>,
) {
  return async (...received: unknown[]): Promise<void> => {
    const command = received.at(-1) as Command
    const session = await openSession(io, globalsOf(command))
    await work(session, ...(received.slice(0, -1) as A))
  }
}

/** The same for a command that needs no authority. */
export function withPrinter<A extends unknown[]>(
  io: Io,
  work: (print: Printer, ...args: A) => Promise<void>,
) {
  return async (...received: unknown[]): Promise<void> => {
    const command = received.at(-1) as Command
    await work(createPrinter(io, globalsOf(command)), ...(received.slice(0, -1) as A))
  }
}

async function openSession(io: Io, options: GlobalOptions): Promise<Session> {
  const context = await findContext(io, options)
  const { token } = context
  const org = options.org ?? io.env['VALETKEY_ORGANIZATION']
  return {
    io,
    context,
    api: createClient(api, {
      baseUrl: context.url,
      fetch: io.fetch,
      ...(token !== undefined && { token: () => token }),
    }),
    print: createPrinter(io, options),
    organization: org === undefined ? {} : { organization: org },
    utc: options.utc === true,
  }
}

/** What was given on the command itself, else what stood before it. */
export function globalsOf(command: Command): GlobalOptions {
  let root = command
  while (root.parent) root = root.parent
  const own = command.options
    .filter(option => option.helpGroupHeading === GLOBAL_GROUP)
    .map(option => [option.attributeName(), command.getOptionValue(option.attributeName())])
  return { ...root.opts(), ...Object.fromEntries(own.filter(([, value]) => value !== undefined)) }
}

/** For options that take a whole number. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Write a whole number.')
  return Number(text)
}

/** For options that may be given several times, or as a list with commas. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').map(word => word.trim())].filter(word => word !== '')
}

/** For options that may be given several times; ids may hold commas. */
export function collectWhole(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

/** All pages of a list, up to a limit. */
export async function allPages<T>(
  page: (input: { limit: number; cursor?: string }) => Promise<{ items: T[]; next: string | null }>,
  limit = 10_000,
): Promise<T[]> {
  const items: T[] = []
  let cursor: string | null = null
  do {
    const answer: { items: T[]; next: string | null } = await page({
      limit: Math.min(200, limit - items.length),
      ...(cursor !== null && { cursor }),
    })
    items.push(...answer.items)
    cursor = answer.next
  } while (cursor !== null && items.length < limit)
  return items
}
