import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { Client } from 'pg'

const COMMITS = 200
const PAUSE_MS = 10
const ROW = 'x'.repeat(700)

/** Milliseconds that a commit of one row takes until it is durable: in a file here, or on a PostgreSQL. */
export async function sampleCommits(directory: string, postgresUrl?: string): Promise<number[]> {
  const { insert, close } = await openRow(directory, postgresUrl)
  const samples: number[] = []
  for (let i = 0; i < COMMITS; i++) {
    await sleep(PAUSE_MS)
    const from = performance.now()
    await insert()
    samples.push(performance.now() - from)
  }
  await close()
  return samples
}

/** Commits a row each time that it is asked to. */
export function openRow(directory: string, postgresUrl?: string) {
  return postgresUrl ? openPostgres(postgresUrl) : openSqlite(directory)
}

async function openSqlite(directory: string) {
  const database = new Database(join(directory, 'commit.db'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec('create table if not exists line (text text)')
  const statement = database.prepare('insert into line values (?)')
  return { insert: async () => void statement.run(ROW), close: async () => void database.close() }
}

async function openPostgres(url: string) {
  const client = new Client(url)
  await client.connect()
  await client.query('create table if not exists line (text text)')
  const query = { name: 'insert', text: 'insert into line values ($1)', values: [ROW] }
  return { insert: async () => void (await client.query(query)), close: () => client.end() }
}
