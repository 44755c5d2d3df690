import { readFileSync } from 'node:fs'
import { AppError, didYouMean } from '@valetkey/sdk/core'
import { parse as parseYaml } from 'yaml'
import * as z from 'zod'

/** How the process runs. Every key can be set in `valetkey.yaml`, as `VALETKEY_<KEY>`, or (`…_FILE`) read from a file. */
const Config = z.strictObject({
  /** The authority's own address: what tokens name as their issuer, byte for byte. */
  issuer: z.url().transform(url => url.replace(/\/$/, '')),
  /** `sqlite:PATH` or `postgres://…`. */
  databaseUrl: z.string(),
  /** Where SQLite keeps the audit records; not used on PostgreSQL. */
  dataDirectory: z.string(),
  /** 32 bytes or more, base64: encrypts what must be read back. */
  masterKey: z.string(),
  httpHost: z.string(),
  httpPort: z.coerce.number().int().min(0).max(65535),
  /** Health and metrics, on loopback, apart from what the world reaches; 0 chooses a free port. */
  adminPort: z.coerce.number().int().min(0).max(65535),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug']),
  tokenAlgorithm: z.enum(['ES256', 'EdDSA']),
})
export type Config = z.infer<typeof Config>
export type ConfigKey = keyof Config

export const CONFIG_KEYS = Object.keys(Config.shape) as ConfigKey[]

const DEFAULTS: Partial<Record<ConfigKey, string | number>> = {
  httpHost: '127.0.0.1',
  httpPort: 4600,
  adminPort: 4601,
  dataDirectory: './valetkey-data',
  logLevel: 'info',
  tokenAlgorithm: 'ES256',
}

export interface ConfigSources {
  /** From the command line; wins over all. */
  flags?: Partial<Record<ConfigKey, unknown>>
  env?: Record<string, string | undefined>
  /** Path of a `valetkey.yaml`. */
  file?: string | undefined
}

/** Reads the configuration: flags over environment over file over defaults. Throws `config.invalid` with the key's name. */
export function readConfig(sources: ConfigSources): Config {
  const values = {
    ...DEFAULTS,
    ...fromFile(sources.file),
    ...fromEnvironment(sources.env ?? {}),
    ...sources.flags,
  }
  if (values.databaseUrl === undefined)
    values.databaseUrl = `sqlite:${String(values.dataDirectory)}/valetkey.db`
  const result = Config.safeParse(values)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const key = String(issue?.path[0] ?? '')
  throw new AppError(
    'config.invalid',
    `${key} (${envName(key)}): ${values[key as ConfigKey] === undefined ? 'is not set' : issue?.message}.`,
    {
      path: key,
    },
  )
}

export function envName(key: string): string {
  return `VALETKEY_${key.replaceAll(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`
}

/** Names of our variables that are not configuration keys of the authority. */
const OTHER_VARIABLES = ['URL', 'TOKEN', 'SERVER_KEY', 'DIRECTORY', 'DEBUG', 'CONFIG'].map(
  name => `VALETKEY_${name}`,
)

function fromEnvironment(env: Record<string, string | undefined>): Partial<Record<ConfigKey, unknown>> {
  const known = new Map(CONFIG_KEYS.map(key => [envName(key), key]))
  const values: Partial<Record<ConfigKey, unknown>> = {}
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('VALETKEY_') || value === undefined) continue
    const plain = name.replace(/_FILE$/, '')
    if (OTHER_VARIABLES.includes(plain)) continue
    const key = known.get(plain)
    if (!key)
      throw new AppError(
        'config.invalid',
        `${name} is not a setting.${didYouMean(plain, [...known.keys()])}`,
        { path: name },
      )
    values[key] = plain === name ? value : readSecretFile(name, value)
  }
  return values
}

function fromFile(path: string | undefined): Partial<Record<ConfigKey, unknown>> {
  if (path === undefined) return {}
  let content: unknown
  try {
    content = parseYaml(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new AppError('config.invalid', `${path} cannot be read as YAML.`, { cause, path })
  }
  if (content === null || typeof content !== 'object' || Array.isArray(content))
    throw new AppError('config.invalid', `${path} must hold settings as "key: value".`, { path })
  for (const key of Object.keys(content))
    if (!(CONFIG_KEYS as string[]).includes(key))
      throw new AppError(
        'config.invalid',
        `${path}: "${key}" is not a setting.${didYouMean(key, CONFIG_KEYS)}`,
        { path: key },
      )
  return content
}

function readSecretFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new AppError('config.invalid', `${name} names a file that cannot be read.`, { cause, path: name })
  }
}

/** Refuses to run in production what is only fit for a desk. The message says the fix. */
export function assertSafe(config: Config): void {
  const issuer = new URL(config.issuer)
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(issuer.hostname)
  if (issuer.protocol !== 'https:' && !isLoopback)
    throw new AppError(
      'config.unsafe',
      `The issuer ${config.issuer} is not https: tokens would travel in clear. Put TLS in front and set ${envName('issuer')} to the https address.`,
    )
  if (issuer.search || issuer.hash)
    throw new AppError('config.unsafe', 'The issuer must have no query and no fragment (RFC 8414).')
  const key = Buffer.from(config.masterKey, 'base64')
  if (key.length < 32 || new Set(key).size < 8)
    throw new AppError(
      'config.unsafe',
      `The master key must be 32 random bytes in base64. Make one: head -c 32 /dev/urandom | base64, and hand it over as ${envName('masterKey')}_FILE.`,
    )
  if (config.dataDirectory.includes('.valetkey'))
    throw new AppError(
      'config.unsafe',
      `${config.dataDirectory} is the data of "valetkey dev". Choose another ${envName('dataDirectory')}.`,
    )
}
