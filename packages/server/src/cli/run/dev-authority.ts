import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { api, createClient } from '@valetkey/sdk/contract'
import { pino } from 'pino'
import { type Authority, readConfig, type SettingName, startAuthority } from '../../server/index.ts'

/** An authority for this machine alone, with an API token for who started it. */
export interface DevAuthority {
  authority: Authority
  token: string
}

export interface DevAuthorityOptions {
  /** Where data is kept, with the master key and the API token. */
  directory: string
  port: number
  /** Keeps nothing. */
  isInMemory?: boolean
  logLevel?: 'error' | 'warn' | 'info'
  /** What is set otherwise than it is here. */
  settings?: Partial<Record<SettingName, unknown>>
}

const TOKEN_FILE = 'dev.token'

/** Starts an authority on loopback, and signs in: with its one-time code at the first start, with the token of it later. */
export async function startDevAuthority(options: DevAuthorityOptions): Promise<DevAuthority> {
  const { directory, port, isInMemory = false, logLevel = 'warn', settings } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeFile(join(directory, '.gitignore'), '*\n')
  const newKey = () => randomBytes(32).toString('base64')
  const masterKey = isInMemory ? newKey() : await keep(directory, 'master.key', async () => newKey())
  const config = readConfig({
    flags: {
      issuer: `http://127.0.0.1:${port}`,
      httpPort: port,
      adminPort: 0,
      dataDirectory: directory,
      masterKey,
      logLevel,
      // Whoever tries it out is administrator and person in one.
      consentMayAdoptAgents: true,
      ...(isInMemory && { databaseUrl: 'sqlite::memory:' }),
      ...settings,
    },
  })
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }))
  const authority = await startAuthority(config, { log, isDev: true, drainMs: 500 })
  try {
    const claim = () => claimCode(authority)
    return { authority, token: await (isInMemory ? claim() : keep(directory, TOKEN_FILE, claim)) }
  } catch (fault) {
    await authority.close()
    throw fault
  }
}

async function claimCode({ url, bootstrapCode }: Authority): Promise<string> {
  if (bootstrapCode === null) return ''
  const client = createClient(api, { baseUrl: url, token: () => bootstrapCode })
  return (await client.session.bootstrap({ name: 'dev' })).token
}

/** The text of a file that only its owner reads; made at the first time. */
async function keep(directory: string, name: string, make: () => Promise<string>): Promise<string> {
  const path = join(directory, name)
  const text = await readFile(path, 'utf8').catch(() => '')
  if (text !== '') return text.trim()
  const made = await make()
  if (made !== '') await writeFile(path, `${made}\n`, { mode: 0o600, flush: true })
  return made
}
