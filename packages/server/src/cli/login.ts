import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { api, createClient } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { checkUrl, readContext, writeContext } from './context.ts'
import { addCommand, globalsOf } from './session.ts'
import { createPrinter, type Io, UsageError } from './terminal/index.ts'

/** Signs this directory in: with an API token, or with the one-time code of a first start. */
export function register(program: Command, io: Io): void {
  addCommand(program, 'login', {
    summary: 'Sign in with an API token, or with the one-time code of a first start',
    examples: [
      ['valetkey login --url https://auth.example.com', 'asks for the token or code'],
      ['valetkey login --url https://auth.example.com --code-file bootstrap-code', 'after a first start'],
    ],
  })
    .option('--code-file <file>', 'file that holds the one-time code; else VALETKEY_BOOTSTRAP_CODE')
    .option('--name <name>', 'what to call the first API token', 'first-admin')
    .action((options: LoginOptions, command: Command) => login(io, options, command))
}

/** How one-time codes begin. */
const CODE = 'vk_boot_'

interface LoginOptions {
  codeFile?: string
  name: string
}

async function login(io: Io, options: LoginOptions, command: Command): Promise<void> {
  const globals = globalsOf(command)
  const print = createPrinter(io, globals)
  const url = checkUrl(
    globals.url ?? io.env['VALETKEY_URL'] ?? (await readContext(io.cwd))?.url ?? missingUrl(),
  )
  const secret = await readSecret(io, { ...options, ...globals })
  const client = createClient(api, { baseUrl: url, fetch: io.fetch, token: () => secret })
  const token = secret.startsWith(CODE)
    ? (await client.session.bootstrap({ name: options.name })).token
    : secret
  const signedIn = createClient(api, { baseUrl: url, fetch: io.fetch, token: () => token })
  const who = await signedIn.session.whoami({})
  const path = await writeContext(io.cwd, { url, token })
  print.say(`Signed in to ${url} as ${who.name}.`)
  print.note(`Saved in ${path}, for this directory and below.`)
}

/** The secret comes from a file, the environment, a pipe or the keyboard: arguments can be read by everyone here. */
async function readSecret(io: Io, options: { codeFile?: string; tokenFile?: string }): Promise<string> {
  const file = options.codeFile ?? options.tokenFile
  if (file !== undefined) return readLine(io, file)
  const given = io.env['VALETKEY_BOOTSTRAP_CODE'] || io.env['VALETKEY_TOKEN']
  if (given) return given
  if (io.env['VALETKEY_TOKEN_FILE']) return readLine(io, io.env['VALETKEY_TOKEN_FILE'])
  const typed = io.in.isTerminal
    ? await io.in.ask('API token or one-time code: ', { isSecret: true })
    : await io.in.readAll()
  if (typed.trim() !== '') return typed.trim()
  throw new UsageError('There is no token and no code.', 'Nothing came on the standard input.')
}

async function readLine(io: Io, file: string): Promise<string> {
  return (await readFile(resolve(io.cwd, file), 'utf8')).trim()
}

function missingUrl(): never {
  throw new UsageError('Where to sign in?', 'No --url and no VALETKEY_URL.', 'Add --url URL.')
}
