import { readFileSync } from 'node:fs'
import { AppError, didYouMean } from '@valetkey/sdk/core'
import { parse as parseYaml, YAMLParseError } from 'yaml'
import { type Config, isSetting, SETTINGS, type Setting, type SettingName } from './settings.ts'

export interface ConfigSources {
  /** From the command line; wins over all. */
  flags?: Partial<Record<SettingName, unknown>>
  env?: Record<string, string | undefined>
  /** Path of a `valetkey.yaml`. */
  file?: string | undefined
}

/** What somebody set, and where, for the complaint about it. */
interface Given {
  value: unknown
  where: string
}
type Values = Partial<Record<SettingName, Given>>

/**
 * Reads the configuration: flags over environment over file over defaults. Throws `config.invalid` for what cannot be
 * taken, with the setting's name, and `config.unsafe` where a setting without a default is missing. Values are never
 * repeated in a complaint: they may be secrets.
 */
export function readConfig({ flags = {}, env = {}, file }: ConfigSources): Config {
  const values: Values = { ...fromFile(file), ...fromEnvironment(env), ...fromFlags(flags) }
  const config: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries<Setting>(SETTINGS))
    config[name] = parseSetting(name, setting, values[name as SettingName])
  const complete = config as Omit<Config, 'databaseUrl'> & { databaseUrl: string | undefined }
  return { ...complete, databaseUrl: complete.databaseUrl ?? `sqlite:${complete.dataDirectory}/valetkey.db` }
}

/** The environment variable of a setting. */
export function envName(setting: string): string {
  return `VALETKEY_${setting.replaceAll(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`
}

function parseSetting(name: string, setting: Setting, given: Given | undefined): unknown {
  const both = `${name} (${envName(name)})`
  if (given === undefined && 'missing' in setting)
    throw new AppError('config.unsafe', `${both} is not set, and has no default. ${setting.missing}`, {
      path: name,
    })
  const value = given === undefined ? setting.default : given.value
  if (value === undefined) return undefined
  const parsed = setting.schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new AppError('config.invalid', `${both}, from ${given?.where}, must be ${setting.takes}.`, {
    path: name,
  })
}

function fromFlags(flags: Partial<Record<SettingName, unknown>>): Values {
  const values: Values = {}
  for (const [name, value] of Object.entries(flags))
    if (value !== undefined) values[name as SettingName] = { value, where: 'the command line' }
  return values
}

/** Our variables that are no settings of the authority: the command line, guards and gateways read them. */
const OTHER_VARIABLES = [
  'URL',
  'TOKEN',
  'ORGANIZATION',
  'BOOTSTRAP_CODE',
  'SERVER_KEY',
  'DIRECTORY',
  'CONFIG',
  'DEBUG',
].map(name => `VALETKEY_${name}`)

function fromEnvironment(env: Record<string, string | undefined>): Values {
  const settings = new Map(Object.keys(SETTINGS).map(name => [envName(name), name as SettingName]))
  const values: Values = {}
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('VALETKEY_') || text === undefined) continue
    const plain = variable.replace(/_FILE$/, '')
    if (OTHER_VARIABLES.includes(plain)) continue
    const name = settings.get(plain)
    if (!name)
      throw new AppError(
        'config.invalid',
        `${variable} is not a setting.${didYouMean(plain, [...settings.keys(), ...OTHER_VARIABLES])}`,
        { path: variable },
      )
    if (values[name])
      throw new AppError('config.invalid', `${plain} and ${plain}_FILE are both set. Keep one.`, {
        path: name,
      })
    values[name] = { value: plain === variable ? text : readSecret(variable, text), where: variable }
  }
  return values
}

function readSecret(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new AppError('config.invalid', `${variable} names ${path}, a file that ${why}.`, {
      cause,
      path: variable,
    })
  }
}

function fromFile(path: string | undefined): Values {
  if (path === undefined) return {}
  const content = readYaml(path) ?? {}
  if (typeof content !== 'object' || Array.isArray(content))
    throw new AppError('config.invalid', `${path} must hold settings as "name: value".`, { path })
  const values: Values = {}
  for (const [name, value] of Object.entries(content)) {
    if (!isSetting(name))
      throw new AppError(
        'config.invalid',
        `${path}: "${name}" is not a setting.${didYouMean(name, Object.keys(SETTINGS))}`,
        { path: name },
      )
    values[name] = { value, where: path }
  }
  return values
}

function readYaml(path: string): unknown {
  try {
    return parseYaml(readFileSync(path, 'utf8'))
  } catch (cause) {
    // The parser's own sentence would repeat the line, which may hold a secret.
    const line = cause instanceof YAMLParseError ? cause.linePos?.[0].line : undefined
    const fault =
      line !== undefined
        ? `is not YAML: see line ${line}`
        : 'cannot be read: see whether it is there, and yours'
    throw new AppError('config.invalid', `${path} ${fault}.`, { cause, path })
  }
}
