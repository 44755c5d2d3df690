import { join } from 'node:path'
import Sqlite from 'better-sqlite3'

/** A file of records that is never written to again, and what it holds. */
export interface Segment {
  number: number
  file: string
  records: number
  bytes: number
  firstSeq: number
  lastSeq: number
  minAt: number
  maxAt: number
  /** Of ids that tell the time of their record; null where there is none. */
  minKey: Buffer | null
  maxKey: Buffer | null
}

/** The name of the file that takes the place of a segment's. */
export function nextFile({ number, file }: Pick<Segment, 'number' | 'file'>): string {
  const [, times = '0'] = /^segment-\d+\.(\d+)\.db$/.exec(file) ?? []
  return `segment-${number}.${Number(times) + 1}.db`
}

const MOST_OPEN = 256

/** Segments that are open in this thread: opened when they are asked for, those unused for longest closed. */
export interface OpenSegments {
  open(segment: Pick<Segment, 'file'>): Sqlite.Database
  /** Closes those that are not of the list any more. */
  keep(files: ReadonlySet<string>): void
  close(): void
}

export function createOpenSegments(directory: string): OpenSegments {
  const open = new Map<string, Sqlite.Database>()
  function closeOne(file: string): void {
    open.get(file)?.close()
    open.delete(file)
  }
  return {
    open({ file }) {
      const known = open.get(file)
      open.delete(file)
      const database = known ?? openSegment(join(directory, file))
      open.set(file, database)
      for (const oldest of open.keys()) {
        if (open.size <= MOST_OPEN) break
        closeOne(oldest)
      }
      return database
    },
    keep(files) {
      for (const file of [...open.keys()]) if (!files.has(file)) closeOne(file)
    },
    close() {
      for (const file of [...open.keys()]) closeOne(file)
    },
  }
}

function openSegment(path: string): Sqlite.Database {
  const database = new Sqlite(path, { readonly: true, fileMustExist: true })
  database.pragma('query_only = ON')
  // Read through the page cache of the system: 256 files with memory of their own would be too much.
  database.pragma('cache_size = -500')
  database.pragma('mmap_size = 268435456')
  return database
}

const MOST_READINGS = 3

/** Reads again from the beginning where a segment was replaced meanwhile: the file that was to be opened next is gone. */
export async function readSegments<T>(read: () => T | Promise<T>): Promise<T> {
  for (let reading = 1; ; reading++)
    try {
      return await read()
    } catch (error) {
      const isGone = error instanceof Sqlite.SqliteError && error.code === 'SQLITE_CANTOPEN'
      if (!isGone || reading === MOST_READINGS) throw error
    }
}

/** The segments that there are, oldest first, as a transaction of the main file sees them. */
export function listSegments(database: Sqlite.Database): Segment[] {
  return database
    .prepare<[], Segment>(
      `select number, file, records, bytes, first_seq as firstSeq, last_seq as lastSeq, min_at as minAt,
         max_at as maxAt, min_key as minKey, max_key as maxKey
       from segment order by number`,
    )
    .all()
}

export function listHeads(database: Sqlite.Database): number[] {
  return database
    .prepare<[], { number: number }>('select number from head order by number')
    .all()
    .map(({ number }) => number)
}

const prepared = new WeakMap<Sqlite.Database, Map<string, Sqlite.Statement<unknown[]>>>()

/** A statement that is prepared once for each file that is open; for the few texts that every question runs. */
export function prepareOnce(database: Sqlite.Database, text: string): Sqlite.Statement<unknown[]> {
  const known = prepared.get(database) ?? new Map<string, Sqlite.Statement<unknown[]>>()
  prepared.set(database, known)
  const statement = known.get(text) ?? database.prepare<unknown[]>(text)
  known.set(text, statement)
  return statement
}
