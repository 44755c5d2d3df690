import { ApiError } from '@valetkey/sdk/contract'
import { AppError, ERRORS, type ErrorCode } from '@valetkey/sdk/core'
import { CommanderError } from 'commander'

/** What a command ends with; scripts rely on these numbers. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  denied: 3,
  notFound: 4,
  conflict: 5,
  unreachable: 6,
  invalid: 7,
  integrity: 8,
  verdictDeny: 10,
  interrupted: 130,
} as const

/** The command line itself was wrong. */
export class UsageError extends Error {
  override name = 'UsageError'
  readonly why: string
  readonly fix: string
  constructor(what: string, why: string, fix = 'Read the help: add --help to the command.') {
    super(what)
    this.why = why
    this.fix = fix
  }
}

/** Three lines for a person, a number for a script. */
export interface Failure {
  what: string
  why: string
  fix: string
  code: string
  exit: number
}

const FIXES: Partial<Record<ErrorCode, string>> = {
  'auth.required': 'Sign in: valetkey login --url URL < token-file',
  'auth.invalid': 'Sign in again: valetkey login --url URL < token-file',
  'permission.denied':
    'See what you may do: valetkey whoami. Ask an administrator for a token that carries more.',
  'query.invalid':
    'Write it as agent:support-bot verdict:denied since:tuesday. docs/questions.md has the language.',
  not_found: 'List what there is: the same command with "ls".',
  'conflict.exists': 'Choose another name, or change the one that exists with "set".',
  'resource.has_dependents': 'See what: valetkey resource tree. Remove it as well: add --cascade.',
  'resource.misplaced': 'See what may lie where: valetkey resource type ls',
  'permission.mismatch': 'Name a resource of that type, as invoice/INV-1.',
  'policy.invalid': 'Correct the line named above, then apply again. Nothing was changed.',
  'authority.unreachable': 'Is it running? valetkey dev starts one here; VALETKEY_URL names another.',
  internal: 'Look for the request id in the log of the authority.',
}

const BY_EXIT: Record<number, string> = {
  [EXIT.conflict]: 'Look at it as it is now, then decide again.',
  [EXIT.unreachable]: 'Try again; if it stays so, look at the log of the authority.',
  [EXIT.invalid]: 'Correct the input and try again.',
}

export function toFailure(error: unknown): Failure {
  if (error instanceof UsageError)
    return { what: error.message, why: error.why, fix: error.fix, code: 'usage', exit: EXIT.usage }
  if (error instanceof CommanderError) return fromCommander(error)
  if (error instanceof ApiError || error instanceof AppError)
    return fromCode(error.code, withPath(error.message, error.path))
  if (isFileFault(error)) return fromFile(error)
  const what = error instanceof Error ? error.message : String(error)
  return {
    what,
    why: ERRORS.internal[1],
    fix: 'Run it again with VALETKEY_DEBUG=1 and report it.',
    code: 'internal',
    exit: 1,
  }
}

/** Says where in the input the fault lies, unless the sentence does. */
function withPath(message: string, path: string | undefined): string {
  return path === undefined || message.includes(path) ? message : `${message} (${path})`
}

function fromCode(code: string, what: string): Failure {
  const [status, why] =
    code in ERRORS ? ERRORS[code as ErrorCode] : [500, 'The authority gave a code that is not known here.']
  const exit = code === 'query.invalid' ? EXIT.usage : exitFor(status)
  const fix = FIXES[code as ErrorCode] ?? BY_EXIT[exit] ?? 'Read the documentation of the code.'
  return { what, why, fix, code, exit }
}

function exitFor(status: number): number {
  if (status === 401 || status === 403) return EXIT.denied
  if (status === 404) return EXIT.notFound
  if (status === 409) return EXIT.conflict
  if (status >= 502 && status <= 504) return EXIT.unreachable
  return status < 500 ? EXIT.invalid : EXIT.error
}

const WHY: Record<string, string> = {
  'commander.missingMandatoryOptionValue': 'The command needs it.',
  'commander.missingArgument': 'The command needs it.',
  'commander.optionMissingArgument': 'The flag needs a value.',
  'commander.excessArguments': 'The command takes no more than it says.',
  'commander.invalidArgument': 'The value is not one that the flag takes.',
}

/** Commander says "error: unknown option '--foo'" and, on a second line, what was meant. */
function fromCommander(error: CommanderError): Failure {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n')
  const what = `${first.charAt(0).toUpperCase()}${first.slice(1)}`.replace(/\.?$/, '.')
  const meant = rest.join(' ').replace(/^\((.*)\)$/, '$1')
  return {
    what: what.replaceAll("'", '"'),
    why: meant || WHY[error.code] || 'The command does not take this.',
    fix: 'Read the help: add --help to the command.',
    code: 'usage',
    exit: EXIT.usage,
  }
}

function isFileFault(error: unknown): error is NodeJS.ErrnoException & { path: string } {
  return error instanceof Error && 'syscall' in error && 'path' in error && typeof error.path === 'string'
}

const FILE_FAULTS: Record<string, string> = {
  ENOENT: 'There is no such file.',
  EACCES: 'You may not.',
  EISDIR: 'It is a folder.',
  ENOTDIR: 'A part of its path is no folder.',
  ENOSPC: 'The disk is full.',
}

function fromFile({ path, code = '', message, syscall }: NodeJS.ErrnoException & { path: string }): Failure {
  const what = `Cannot ${syscall === 'write' ? 'write' : 'open'} ${path}.`
  const why = FILE_FAULTS[code] ?? message
  return { what, why, fix: 'Name another file, or correct its path.', code: 'usage', exit: EXIT.usage }
}
