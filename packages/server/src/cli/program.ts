import { didYouMean } from '@valetkey/sdk/core'
import { Command, CommanderError } from 'commander'
import { globalOptions } from './session.ts'
import { EXIT, type Io, printable, toFailure, UsageError, wantsColor } from './terminal/index.ts'

/** A module of one command or noun: it adds itself to the program. */
export interface CommandModule {
  register(program: Command, io: Io): void
}

/** Commands by name, each loaded only when it is called. */
export type CommandTable = Record<string, () => Promise<CommandModule>>

/** Runs one command line and says what the process ends with. Nothing is printed to stdout when it fails. */
export async function run(
  argv: readonly string[],
  io: Io,
  table: CommandTable,
  version: string,
): Promise<number> {
  try {
    const program = await buildProgram(argv, io, table, version)
    await program.parseAsync([...argv], { from: 'user' })
    return io.interrupted.aborted && io.exitCode === 0 ? EXIT.interrupted : io.exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage
    if (io.env['VALETKEY_DEBUG']) io.err.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    return report(error, io)
  }
}

async function buildProgram(
  argv: readonly string[],
  io: Io,
  table: CommandTable,
  version: string,
): Promise<Command> {
  const program = new Command('valetkey')
    .description(
      'Identity and authorization for AI agents: who acts, what it may do, and the proof afterwards.',
    )
    .version(version, '-V, --version')
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeOut: text => io.out.write(text),
      writeErr: text => io.err.write(text),
      outputError: () => {},
      getOutHasColors: () => wantsColor(io),
    })
  program.addHelpText(
    'before',
    'Examples:\n  valetkey dev          start everything on this machine\n  valetkey who --resource customer/acme --on tuesday\n                        which agent touched it, and who authorized that\n',
  )
  for (const option of globalOptions()) program.addOption(option)
  const called = argv.find(word => Object.hasOwn(table, word))
  const names = called !== undefined && !wantsOverview(argv, called) ? [called] : Object.keys(table)
  const unknown = argv[0]
  if (called === undefined && unknown !== undefined && /^[a-z]/.test(unknown) && unknown !== 'help')
    throw new UsageError(
      `Unknown command "${unknown}".`,
      `There is no such command.${didYouMean(unknown, names)}`,
      'See them all: valetkey --help',
    )
  for (const name of names) (await table[name]?.())?.register(program, io)
  inheritSettings(program)
  return program
}

/** `valetkey --help` and `valetkey help agent` are about the whole. */
function wantsOverview(argv: readonly string[], called: string): boolean {
  const before = argv.slice(0, argv.indexOf(called))
  return before.includes('help') || before.includes('--help') || before.includes('-h')
}

function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command)
    inheritSettings(child)
  }
}

/** What, why, and what to do with the code: three lines on stderr. */
function report(error: unknown, io: Io): number {
  const failure = toFailure(error)
  const what = failure.what.split('\n').map(printable).join('\n')
  io.err.write(
    `error: ${what}\n  why: ${printable(failure.why)}\n  fix: ${printable(failure.fix)} [${failure.code}]\n`,
  )
  return failure.exit
}
