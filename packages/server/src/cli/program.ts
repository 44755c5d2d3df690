import { didYouMean } from '@valetkey/sdk/core'
import { Command, CommanderError } from 'commander'
import { completeCommands, globalOptions } from './session.ts'
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
    if (io.interrupted.aborted) return EXIT.interrupted
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
  const called = firstWord(argv)
  const isKnown = called !== undefined && Object.hasOwn(table, called)
  if (called !== undefined && !isKnown && called !== 'help')
    throw new UsageError(
      `Unknown command "${called}".`,
      `There is no such command.${didYouMean(called, Object.keys(table))}`,
      'See them all: valetkey --help',
    )
  for (const name of isKnown ? [called] : Object.keys(table)) (await table[name]?.())?.register(program, io)
  completeCommands(program)
  return program
}

/** The command that is called: the first word that is neither a flag nor the value of one. */
function firstWord(argv: readonly string[]): string | undefined {
  const takesValue = globalOptions().filter(option => option.required)
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (!word.startsWith('-')) return word
    if (word === '--help' || word === '-h') return undefined
    if (takesValue.some(option => option.short === word || option.long === word)) at++
  }
  return undefined
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
