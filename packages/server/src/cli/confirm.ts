import type { Command } from 'commander'
import type { Session } from './session.ts'
import { EXIT, printable, UsageError } from './terminal/index.ts'

export interface ConfirmOptions {
  yes?: boolean
  reason?: string
  dryRun?: boolean
}

/** Adds the flags of commands that take something away. */
export function addConfirmOptions(command: Command): Command {
  return command
    .option('--reason <text>', 'why; goes on record, and nothing is asked')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'say what would happen, and do nothing')
}

/**
 * Shows what a command takes away and asks for the name, unless it was told not to. In an incident nobody is asked
 * twice, and where there is no terminal to ask at, taking away is the safe side: `incident` commands go on.
 */
export async function confirm(
  session: Session,
  about: { name: string; preview: readonly string[]; incident?: boolean },
  options: ConfirmOptions,
): Promise<boolean> {
  const { io, print } = session
  const asks = !options.yes && options.reason === undefined && !options.dryRun
  if (options.dryRun || (asks && io.in.isTerminal))
    for (const line of about.preview) print.note(printable(line))
  if (options.dryRun) {
    print.note('Nothing was changed: this was a dry run.')
    return false
  }
  if (!asks) return true
  if (!io.in.isTerminal) {
    if (about.incident) return true
    throw new UsageError(
      `This takes something away from "${about.name}", and nobody is there to ask.`,
      'Without a terminal, commands that take away need to be told.',
      'Add --yes, or --reason TEXT.',
    )
  }
  const answer = await io.in.ask(printable(`Type "${about.name}" to go on: `))
  if (answer.trim() === about.name) return true
  print.note('Nothing was changed: that is not the name.')
  io.exitCode = EXIT.error
  return false
}
