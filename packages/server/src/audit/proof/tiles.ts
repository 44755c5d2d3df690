import type { Ledger, LogState } from '../ledger.ts'
import { TILE_HASHES, TOP_LEVEL } from '../log/growth.ts'
import type { Logs } from '../log/logs.ts'

/** A file of a log as others read it (C2SP tlog-tiles). */
export interface TileFile {
  type: string
  body: Buffer
}

const HASH_BYTES = 32
const NUMBER = /^((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/

/**
 * What stands below a log's name: `checkpoint`, `tile/0/x001/234`, `tile/0/000.p/17`, `tile/entries/000`. Undefined where
 * there is no such file, and for entries that were pruned.
 */
export async function readTileFile(
  { ledger, logs }: { ledger: Ledger; logs: Logs },
  path: string,
): Promise<TileFile | undefined> {
  const [, name, generation = '1', file = ''] =
    /^([a-z]\w*)(?:\/(\d{1,6}))?\/((?:checkpoint|tile)\b.*)$/.exec(path) ?? []
  const log = (await logs.list()).find(each => each.name === name && each.generation === Number(generation))
  if (!log) return undefined
  if (file === 'checkpoint')
    return log.note === null
      ? undefined
      : { type: 'text/plain; charset=utf-8', body: Buffer.from(await logs.renewed(log, log.note)) }
  const [, level, rest = ''] = /^tile\/(entries|\d)\/(.+)$/.exec(file) ?? []
  const [, digits, partial] = NUMBER.exec(rest) ?? []
  const width = partial === undefined ? TILE_HASHES : Number(partial)
  if (level === undefined || digits === undefined || width > TILE_HASHES) return undefined
  const number = Number(digits.replaceAll(/[x/]/g, ''))
  const body =
    level === 'entries'
      ? await entriesIn(ledger, log, number, width)
      : await hashesIn(ledger, log, { level: Number(level), number, width })
  return body && { type: 'application/octet-stream', body }
}

async function hashesIn(
  ledger: Ledger,
  { id }: LogState,
  { level, number, width }: { level: number; number: number; width: number },
): Promise<Buffer | undefined> {
  if (level > TOP_LEVEL) return undefined
  const tile = await ledger.tile(id, level, number)
  return tile.length < width * HASH_BYTES ? undefined : tile.subarray(0, width * HASH_BYTES)
}

/** Each entry behind its length in two bytes. */
async function entriesIn(
  ledger: Ledger,
  { id, size }: LogState,
  number: number,
  width: number,
): Promise<Buffer | undefined> {
  const from = number * TILE_HASHES
  if (from + width > size) return undefined
  const parts: Buffer[] = []
  for (const { entry } of await ledger.entries(id, from, from + width)) {
    if (!('leaf' in entry)) return undefined
    const bytes = Buffer.from(entry.leaf)
    const length = Buffer.allocUnsafe(2)
    length.writeUInt16BE(bytes.length)
    parts.push(length, bytes)
  }
  return Buffer.concat(parts)
}
