import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { AppError } from '../core/index.ts'
import type { AgentKey } from './key.ts'

/** Keeps the keys of agents on this machine, each under a name. */
export interface KeyStore {
  /** Where it keeps them, in words. */
  readonly place: string
  load(name: string): Promise<StoredIdentity | undefined>
  save(name: string, identity: StoredIdentity): Promise<void>
  /** What is not there is removed already. */
  remove(name: string): Promise<void>
}

/** What an agent needs to be itself again after a restart. */
export interface StoredIdentity {
  issuer: string
  /** Null until the authority is known to have registered the key. */
  clientId: string | null
  key: AgentKey['privateKey']
}

const Stored = z.object({
  issuer: z.url(),
  clientId: z.string().min(1).nullable(),
  key: z.looseObject({ kty: z.string(), d: z.string() }),
})
const SERVICE = 'valetkey'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/**
 * Opens where keys are kept: the keyring of the operating system, where `@napi-rs/keyring` is installed and there is one
 * that outlives a restart; else files that only their owner can read.
 * @example const agent = await openAgent('support-bot')
 */
export async function openKeyStore(options: { directory?: string } = {}): Promise<KeyStore> {
  const keyring = options.directory === undefined ? await openKeyring() : undefined
  return keyring ?? openFiles(options.directory ?? join(homedir(), '.config', 'valetkey', 'agents'))
}

/** As a text, so that whoever compiles this with their own program need not have it. */
const KEYRING: string = '@napi-rs/keyring'

/** What of `@napi-rs/keyring` is used. The Linux kernel's own keyring forgets at a restart, so it is not taken. */
interface Keyring {
  AsyncEntry: new (
    service: string,
    name: string,
    options: { linux: { store: 'secret-service' } },
  ) => {
    getPassword(): Promise<string | null | undefined>
    setPassword(text: string): Promise<void>
    deletePassword(): Promise<boolean>
  }
}

async function openKeyring(): Promise<KeyStore | undefined> {
  const entry = (keyring: Keyring, name: string) =>
    new keyring.AsyncEntry(SERVICE, name, { linux: { store: 'secret-service' } })
  try {
    const keyring = (await import(KEYRING)) as Keyring
    await entry(keyring, 'probe').getPassword()
    return {
      place: 'the keyring of this system',
      async load(name) {
        const text = await entry(keyring, checkName(name)).getPassword()
        return text ? parse(text, `The entry ${name} in the keyring`) : undefined
      },
      save: (name, identity) => entry(keyring, checkName(name)).setPassword(JSON.stringify(identity)),
      remove: async name => void (await entry(keyring, checkName(name)).deletePassword()),
    }
  } catch {
    // Not installed, or no keyring here: a server, a container.
    return undefined
  }
}

function openFiles(directory: string): KeyStore {
  const pathOf = (name: string) => join(directory, `${checkName(name)}.json`)
  return {
    place: directory,
    async load(name) {
      const path = pathOf(name)
      const text = await readFile(path, 'utf8').catch(cause => {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw new AppError('config.invalid', `The key file ${path} cannot be read.`, { cause })
      })
      if (text === undefined) return undefined
      const { mode } = await stat(path)
      if (process.platform !== 'win32' && (mode & 0o077) !== 0)
        throw new AppError('config.unsafe', `Others can read the key file ${path}: chmod 600 it.`)
      return parse(text, `The key file ${path}`)
    },
    async save(name, identity) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const draft = join(directory, `.${randomUUID()}.tmp`)
      const file = await open(draft, 'wx', 0o600)
      try {
        await file.writeFile(JSON.stringify(identity))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, pathOf(name))
    },
    remove: name => rm(pathOf(name), { force: true }),
  }
}

/** A name becomes part of a path. */
function checkName(name: string): string {
  if (!NAME.test(name)) throw new AppError('request.invalid', `"${name}" is not a name for a key.`)
  return name
}

function parse(text: string, what: string): StoredIdentity {
  try {
    return Stored.parse(JSON.parse(text)) as StoredIdentity
  } catch {
    // The parser's own words would show the key.
    throw new AppError('config.invalid', `${what} is damaged: enroll the agent again.`)
  }
}
