import { isIP } from 'node:net'
import { resolve, sep } from 'node:path'
import { AppError } from '@valetkey/sdk/core'
import { envName } from './config.ts'
import { isWeak } from './master-key.ts'
import type { Config } from './settings.ts'

/** Refuses to run in production what is only fit for a desk. The message says the fix. */
export function assertSafe(config: Config): void {
  for (const { is, sentence } of DANGERS)
    if (is(config)) throw new AppError('config.unsafe', sentence(config))
}

const DANGERS: readonly { is(config: Config): boolean; sentence(config: Config): string }[] = [
  {
    is: ({ issuer }) => new URL(issuer).protocol !== 'https:' && !isLoopback(new URL(issuer).hostname),
    sentence: ({ issuer }) =>
      `The issuer ${issuer} is not https: tokens would travel in clear. Put TLS in front, and set ${envName('issuer')} to the https address.`,
  },
  {
    is: ({ masterKey }) => isWeak(masterKey),
    sentence: () =>
      `The master key does not look random: whoever guesses it reads every stored secret. Make one with "head -c 32 /dev/urandom | base64 > master.key", and set ${envName('masterKey')}_FILE=master.key.`,
  },
  {
    is: ({ databaseUrl }) => databaseUrl === 'sqlite::memory:',
    sentence: () =>
      `A database in memory forgets everything at the end. Set ${envName('databaseUrl')} to a file or to PostgreSQL.`,
  },
  {
    is: ({ dataDirectory }) => isOfDev(dataDirectory),
    sentence: ({ dataDirectory }) =>
      `${dataDirectory} is the data of "valetkey dev", whose key and token lie beside it. Choose another ${envName('dataDirectory')}.`,
  },
  {
    is: ({ databaseUrl }) =>
      databaseUrl.startsWith('sqlite:') && isOfDev(databaseUrl.slice('sqlite:'.length)),
    sentence: () =>
      `This is the database of "valetkey dev", whose key and token lie beside it. Choose another ${envName('databaseUrl')}.`,
  },
]

/** What people cannot do here because nobody has set it up: one sentence each, with what would change it. */
export function missingIn({ issuer, mailUrl }: Config): string[] {
  const sentences: string[] = []
  if (mailUrl === undefined)
    sentences.push(
      `mail is off: no links to sign in by, no new passwords by mail. Set ${envName('mailUrl')} and ${envName('mailFrom')}.`,
    )
  if (isIP(new URL(issuer).hostname.replace(/^\[|\]$/g, '')) !== 0)
    sentences.push('passkeys are off: they belong to a host name, and the issuer is an address.')
  return sentences
}

/** Whether a host is this machine alone. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host)
}

function isOfDev(path: string): boolean {
  return resolve(path).split(sep).includes('.valetkey')
}
