import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type ConfigSources, envName, readConfig } from './config.ts'
import { SETTINGS, type Setting } from './settings.ts'

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString('base64')
const REQUIRED = { VALETKEY_ISSUER: 'https://auth.example.com', VALETKEY_MASTER_KEY: KEY }

const directory = mkdtempSync(join(tmpdir(), 'valetkey-config-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** The complaint about a configuration. */
function complaint(sources: ConfigSources): { code: string; message: string; path: string } {
  try {
    readConfig(sources)
  } catch (error) {
    return error as never
  }
  throw new Error('there was no complaint')
}

const withEnv = (env: Record<string, string>): ConfigSources => ({ env: { ...REQUIRED, ...env } })

describe('what counts', () => {
  test('flags over environment over file over defaults', () => {
    const path = file('all.yaml', 'httpPort: 1\nadminPort: 1\nlogLevel: debug\n')
    const env = { ...REQUIRED, VALETKEY_HTTP_PORT: '2', VALETKEY_ADMIN_PORT: '2' }
    expect(readConfig({ flags: { httpPort: 3 }, env, file: path })).toMatchObject({
      httpPort: 3,
      adminPort: 2,
      logLevel: 'debug',
      httpHost: '127.0.0.1',
    })
  })

  test('a flag that was not given leaves what the environment says', () => {
    expect(
      readConfig({ ...withEnv({ VALETKEY_HTTP_PORT: '2' }), flags: { httpPort: undefined } }),
    ).toMatchObject({ httpPort: 2 })
  })

  test('the database is a file in the data directory unless one is named', () => {
    expect(readConfig(withEnv({ VALETKEY_DATA_DIRECTORY: '/var/lib/valetkey' })).databaseUrl).toBe(
      'sqlite:/var/lib/valetkey/valetkey.db',
    )
    const url = 'postgres://valetkey@db/valetkey'
    expect(readConfig(withEnv({ VALETKEY_DATABASE_URL: url })).databaseUrl).toBe(url)
  })

  test('a slash at the end of the issuer is not part of it', () => {
    expect(readConfig(withEnv({ VALETKEY_ISSUER: 'https://example.com/auth/' })).issuer).toBe(
      'https://example.com/auth',
    )
  })

  test('what the command line, guards and gateways read is not taken for a setting', () => {
    const others = [
      'URL',
      'TOKEN',
      'TOKEN_FILE',
      'SERVER_KEY_FILE',
      'DIRECTORY',
      'ORGANIZATION',
      'DEBUG',
      'CONFIG',
    ]
    const env = Object.fromEntries(others.map(name => [`VALETKEY_${name}`, 'x']))
    expect(() => readConfig(withEnv(env))).not.toThrow()
  })
})

describe('secrets', () => {
  test('come from a file by the name with _FILE, without the line break at its end', () => {
    const env = { VALETKEY_ISSUER: 'https://a.example', VALETKEY_MASTER_KEY_FILE: file('key', `${KEY}\n`) }
    expect(Buffer.from(readConfig({ env }).masterKey).toString('base64')).toBe(KEY)
  })

  test('set twice, or in a file that is not there, are refused', () => {
    expect(complaint(withEnv({ VALETKEY_MASTER_KEY_FILE: file('key', KEY) })).message).toBe(
      'VALETKEY_MASTER_KEY and VALETKEY_MASTER_KEY_FILE are both set. Keep one.',
    )
    expect(complaint({ env: { VALETKEY_MASTER_KEY_FILE: '/no/such/key' } }).message).toBe(
      'VALETKEY_MASTER_KEY_FILE names /no/such/key, a file that does not exist.',
    )
  })

  test.each([
    ['base64', KEY],
    ['base64url without padding', Buffer.from(KEY, 'base64').toString('base64url')],
    ['hexadecimal digits', Buffer.from(KEY, 'base64').toString('hex')],
    ['more than 32 bytes', Buffer.alloc(48, KEY).toString('base64')],
  ])('a master key may be %s', (_, key) => {
    expect(readConfig(withEnv({ VALETKEY_MASTER_KEY: key })).masterKey.length).toBeGreaterThanOrEqual(32)
  })

  test.each([
    ['short', 'c2hvcnQ='],
    ['empty', ''],
    ['words', 'correct horse battery staple, and some more of them to be long enough'],
  ])('a master key that is %s is refused, and not repeated', (_, key) => {
    const { code, message } = complaint(withEnv({ VALETKEY_MASTER_KEY: key }))
    expect(code).toBe('config.invalid')
    expect(message).toBe(
      'masterKey (VALETKEY_MASTER_KEY), from VALETKEY_MASTER_KEY, must be base64 of at least 32 bytes.',
    )
  })

  test('are not repeated from a file that is no YAML', () => {
    const path = file('broken.yaml', 'httpPort: 1\nmasterKey: "secret\n')
    const { message } = complaint({ file: path })
    expect(message).toMatch(/broken\.yaml is not YAML: see line \d\.$/)
    expect(message).not.toContain('secret')
  })
})

describe('what is refused', () => {
  test.each([
    ['VALETKEY_HTPP_PORT', 'VALETKEY_HTTP_PORT'],
    ['VALETKEY_DATABASE_URI', 'VALETKEY_DATABASE_URL'],
    ['VALETKEY_MASTERKEY_FILE', 'VALETKEY_MASTER_KEY'],
  ])('an unknown variable %s, with what was meant', (variable, meant) => {
    expect(complaint(withEnv({ [variable]: '1' }))).toMatchObject({
      code: 'config.invalid',
      message: `${variable} is not a setting. Did you mean "${meant}"?`,
    })
  })

  test('an unknown key in the file, with what was meant', () => {
    const path = file('unknown.yaml', 'htpPort: 1\n')
    expect(complaint({ file: path }).message).toBe(
      `${path}: "htpPort" is not a setting. Did you mean "httpPort"?`,
    )
    const inherited = file('inherited.yaml', 'toString: 1\n')
    expect(complaint({ file: inherited }).message).toContain('"toString" is not a setting.')
  })

  test.each([
    ['issuer', 'auth.example.com'],
    ['issuer', 'https://user:secret@auth.example.com'],
    ['issuer', 'https://auth.example.com/?x=1'],
    ['issuer', 'https://AUTH.example.com'],
    ['databaseUrl', 'mysql://db/valetkey'],
    ['databaseUrl', ''],
    ['httpPort', '65536'],
    ['httpPort', ''],
    ['adminPort', '-1'],
    ['adminPort', '1e3'],
    ['logLevel', 'loud'],
    ['tokenAlgorithm', 'none'],
    ['trustedProxies', '10.0.0.0/33'],
    ['trustedProxies', '0.0.0.0/0'],
    ['trustedProxies', 'proxy.example.com'],
  ])('%s as "%s", by the name of the setting and of its variable', (name, value) => {
    const variable = envName(name)
    const { code, message, path } = complaint(withEnv({ [variable]: value }))
    expect(code).toBe('config.invalid')
    expect(path).toBe(name)
    expect(message).toMatch(new RegExp(`^${name} \\(${variable}\\), from ${variable}, must be `))
    expect(message).not.toContain('secret')
  })

  test('a value of another kind in the file', () => {
    const path = file('kinds.yaml', 'httpPort: [1]\n')
    expect(complaint({ env: REQUIRED, file: path }).message).toContain(`from ${path}, must be a port number`)
    expect(complaint({ file: file('list.yaml', '- 1\n') }).message).toContain('must hold settings')
    expect(complaint({ file: '/no/such.yaml' }).message).toContain('cannot be read')
    expect(() => readConfig({ env: REQUIRED, file: file('empty.yaml', '# nothing yet\n') })).not.toThrow()
  })

  test('what has no default and is missing, with what to do', () => {
    expect(complaint({ env: { VALETKEY_MASTER_KEY: KEY } })).toMatchObject({
      code: 'config.unsafe',
      path: 'issuer',
      message: expect.stringContaining('for example https://auth.example.com'),
    })
    expect(complaint({ env: { VALETKEY_ISSUER: 'https://a.example' } })).toMatchObject({
      code: 'config.unsafe',
      path: 'masterKey',
      message: expect.stringContaining('head -c 32 /dev/urandom | base64'),
    })
  })
})

test('docs/configuration.md has a row for every setting, as it is here, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/configuration.md'), 'utf8')
  const rows = page.split('\n').filter(line => line.startsWith('| `'))
  expect(rows).toEqual(Object.entries<Setting>(SETTINGS).map(([name, setting]) => toRow(name, setting)))
})

function toRow(name: string, setting: Setting): string {
  const standard = setting.missing ? '**none**' : `\`${setting.default ?? ''}\``.replace('``', '')
  const cells = [`\`${name}\``, `\`${envName(name)}\``, setting.takes, standard, setting.meaning]
  return `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |')
}
