import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { api, createClient } from '@valetkey/sdk/contract'
import { pino } from 'pino'
import { type Authority, readConfig, startAuthority } from '../server/index.ts'

/** An authority for this machine alone, with an API token for who started it. */
export interface DevAuthority {
  authority: Authority
  token: string
}

export interface DevAuthorityOptions {
  /** Where data is kept. */
  directory: string
  port: number
  /** Keeps nothing on disk but the enforcement points' spools. */
  isInMemory?: boolean
  /** The token of an earlier run. */
  knownToken?: string | undefined
  logLevel?: 'error' | 'warn' | 'info'
}

/** Starts an authority on loopback and signs in with its one-time code. */
export async function startDevAuthority(options: DevAuthorityOptions): Promise<DevAuthority> {
  const { directory, port, isInMemory = false, logLevel = 'warn' } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeFile(join(directory, '.gitignore'), '*\n')
  const config = readConfig({
    flags: {
      issuer: `http://127.0.0.1:${port}`,
      httpPort: port,
      adminPort: 0,
      dataDirectory: directory,
      masterKey: isInMemory ? randomBytes(32).toString('base64') : await keepMasterKey(directory),
      logLevel,
      ...(isInMemory && { databaseUrl: 'sqlite::memory:' }),
    },
  })
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }))
  const authority = await startAuthority(config, { log, isDev: true, drainMs: 500 })
  const code = authority.bootstrapCode
  if (code === null) return { authority, token: options.knownToken ?? '' }
  const { token } = await createClient(api, { baseUrl: authority.url, token: () => code }).session.bootstrap({
    name: 'dev',
  })
  return { authority, token }
}

async function keepMasterKey(directory: string): Promise<string> {
  const path = join(directory, 'master.key')
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch {
    const key = randomBytes(32).toString('base64')
    await writeFile(path, `${key}\n`, { mode: 0o600, flag: 'wx' })
    return key
  }
}
