import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import * as z from 'zod'
import { type Io, UsageError } from './terminal/index.ts'

/** Where the authority is and what to sign in with. */
export interface CliContext {
  url: string
  token: string | undefined
  /** Where this was found, for people. */
  source: string
}

const SavedContext = z.strictObject({ url: z.url(), token: z.string().min(1) })
export type SavedContext = z.infer<typeof SavedContext>

const FOLDER = '.valetkey'
const FILE = 'cli.json'

/**
 * Finds the authority: `--url` and `--token-file`, then the environment, then the nearest `.valetkey/cli.json` upwards.
 * A token that came from elsewhere is never sent to an address that a file in some folder names.
 */
export async function findContext(
  io: Pick<Io, 'env' | 'cwd'>,
  flags: { url?: string; tokenFile?: string } = {},
): Promise<CliContext> {
  const url = flags.url ?? io.env['VALETKEY_URL']
  const token = await givenToken(io, flags.tokenFile)
  if (url !== undefined && token !== undefined)
    return { url: checkUrl(url), token, source: 'flags and environment' }
  const saved = await readContext(io.cwd)
  if (url !== undefined) {
    const known = saved && sameOrigin(saved.url, url) ? saved.token : undefined
    return { url: checkUrl(url), token: known, source: url === flags.url ? '--url' : 'VALETKEY_URL' }
  }
  if (token !== undefined)
    throw new UsageError(
      'There is a token, but no address to send it to.',
      'A token from a flag or the environment goes only where a flag or the environment says.',
      'Set VALETKEY_URL, or add --url URL.',
    )
  if (saved) return { url: saved.url, token: saved.token, source: saved.path }
  throw new UsageError(
    'There is no authority to talk to.',
    `Neither --url, nor VALETKEY_URL, nor a ${FOLDER}/${FILE} from here upwards names one.`,
    'Start one with "valetkey dev", or sign in: valetkey login --url URL',
  )
}

/** Saves how to reach an authority from this directory and below; only its owner can read it. */
export async function writeContext(directory: string, context: SavedContext): Promise<string> {
  const folder = join(directory, FOLDER)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(join(folder, '.gitignore'), '*\n')
  const path = join(folder, FILE)
  await writeFile(path, `${JSON.stringify(SavedContext.parse(context), null, 2)}\n`, { mode: 0o600 })
  await chmod(path, 0o600)
  return path
}

/** The nearest saved context upwards of a directory. */
export async function readContext(directory: string): Promise<(SavedContext & { path: string }) | undefined> {
  for (let folder = resolve(directory); ; folder = dirname(folder)) {
    const path = join(folder, FOLDER, FILE)
    const text = await readIfThere(path)
    if (text !== undefined) return { ...(await parseContext(path, text)), path }
    if (folder === dirname(folder)) return undefined
  }
}

async function parseContext(path: string, text: string): Promise<SavedContext> {
  if (((await stat(path)).mode & 0o077) !== 0)
    throw new UsageError(`${path} can be read by others.`, 'It holds a token.', `chmod 600 ${path}`)
  try {
    return SavedContext.parse(JSON.parse(text))
  } catch {
    throw new UsageError(
      `${path} cannot be read.`,
      'It is not what "valetkey login" writes.',
      'Sign in again: valetkey login --url URL',
    )
  }
}

async function givenToken(
  io: Pick<Io, 'env' | 'cwd'>,
  flag: string | undefined,
): Promise<string | undefined> {
  const file = flag ?? io.env['VALETKEY_TOKEN_FILE']
  if (file === undefined) return io.env['VALETKEY_TOKEN']
  const text = await readIfThere(resolve(io.cwd, file))
  if (text === undefined)
    throw new UsageError(`There is no file ${file}.`, 'The token was to be read from it.')
  return text.trim()
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** A token travels in clear only inside one machine. */
export function checkUrl(url: string): string {
  if (!URL.canParse(url))
    throw new UsageError(`"${url}" is not a URL.`, 'Write it as https://auth.example.com.')
  const { protocol, hostname } = new URL(url)
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
  if (protocol !== 'https:' && !(protocol === 'http:' && loopback))
    throw new UsageError(
      `${url} is not https.`,
      'A token would travel in clear text.',
      'Use the https address of the authority.',
    )
  return url
}

function sameOrigin(a: string, b: string): boolean {
  return URL.canParse(a) && URL.canParse(b) && new URL(a).origin === new URL(b).origin
}
