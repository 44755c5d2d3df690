import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, afterEach, describe, inject } from 'vitest'
import { openStore, type Store } from '../../packages/server/src/store/index.ts'

export { type PostgresServer, startPostgres } from './postgres-server.ts'

export const MASTER_KEY = new Uint8Array(32).fill(7)

/** Opens a store on a fresh database, or on the one that the URL names (a second node); it is closed after the test. */
export type OpenTestStore = (url?: string) => Promise<Store>

export interface Place {
  kind: 'memory' | 'file' | 'postgres'
  dialect: 'sqlite' | 'postgres'
  /** The URL of a fresh database. */
  newUrl(): Promise<string>
}

/** One suite, run on SQLite in memory, on SQLite in a file, and on PostgreSQL. */
export function describeOnBoth(name: string, suite: (open: OpenTestStore, place: Place) => void): void {
  const places: Place[] = [
    { kind: 'memory', dialect: 'sqlite', newUrl: async () => 'sqlite::memory:' },
    {
      kind: 'file',
      dialect: 'sqlite',
      newUrl: async () => `sqlite:${join(freshDirectory(), 'valetkey.db')}`,
    },
    { kind: 'postgres', dialect: 'postgres', newUrl: () => freshDatabase() },
  ]
  for (const place of places)
    describe(`${name} (${place.kind})`, () => {
      const opened: Store[] = []
      afterEach(async () => {
        for (const store of opened.splice(0)) await store.close()
      })
      suite(async url => {
        const store = await openStore({ url: url ?? (await place.newUrl()), masterKey: MASTER_KEY })
        opened.push(store)
        return store
      }, place)
    })
}

/** The URL of an empty PostgreSQL database; it goes with the server at the end of the run. */
export async function freshDatabase(serverUrl: string = inject('postgresUrl')): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await asAdministrator(serverUrl, `create database ${name}`)
  return Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href
}

/** Runs one statement on the server that a URL names, beside whatever the store does. */
export async function asAdministrator(url: string, statement: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  await client.query(statement)
  await client.end()
}

const directories: string[] = []

/** An empty directory that is removed after the file's tests. */
export function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'valetkey-storage-'))
  directories.push(directory)
  return directory
}

afterAll(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})
