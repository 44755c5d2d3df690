import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { leafHash, sha256 } from '@valetkey/sdk/evidence'

/** Entries of one log that follow each other, as they are kept: at most one tile of them, never across the edge of one. */
export const TILE = 256

/** An entry of a log: its text, or, where that was pruned, what the log knows it by. */
export type StoredEntry = { leaf: string } | { hash: Buffer }

/** What lies beside a leaf, with the key of the commitment; null where there is nothing, or it was erased. */
export type StoredData = { data: string; key: string } | null

const HASH_BYTES = 32
const LONGEST = 64 << 20

/**
 * Entries as bytes: each with its length in two bytes before it, as in a tile of entries (C2SP tlog-tiles). An entry is
 * never empty, so a length of zero says that its hash follows.
 */
export function packEntries(entries: readonly StoredEntry[], level = 1): Buffer {
  const parts: Buffer[] = []
  for (const entry of entries) {
    const bytes = 'leaf' in entry ? Buffer.from(entry.leaf) : entry.hash
    const length = Buffer.allocUnsafe(2)
    length.writeUInt16BE('leaf' in entry ? bytes.length : 0)
    parts.push(length, bytes)
  }
  return compress(Buffer.concat(parts), level)
}

export function unpackEntries(packed: Uint8Array): StoredEntry[] {
  const bytes = decompress(packed)
  const entries: StoredEntry[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16BE(at)
    const end = at + 2 + (length === 0 ? HASH_BYTES : length)
    entries.push(
      length === 0 ? { hash: bytes.subarray(at + 2, end) } : { leaf: bytes.toString('utf8', at + 2, end) },
    )
    at = end
  }
  return entries
}

/** What the log knows the entries of a bundle by, without making texts of them. */
export function hashesIn(packed: Uint8Array): Buffer[] {
  const bytes = decompress(packed)
  const hashes: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16BE(at)
    const end = at + 2 + (length === 0 ? HASH_BYTES : length)
    // A leaf is hashed behind a zero byte (RFC 6962 §2.1), for which there is room where its length was.
    bytes[at + 1] = 0
    hashes.push(length === 0 ? bytes.subarray(at + 2, end) : sha256(bytes.subarray(at + 1, end)))
    at = end
  }
  return hashes
}

/** What lies beside the entries of a bundle, in the same order; null where there is nothing beside any. */
export function packData(data: readonly StoredData[], level = 1): Buffer | null {
  if (data.every(each => each === null)) return null
  const parts: Buffer[] = []
  for (const each of data) {
    const bytes = each === null ? Buffer.alloc(0) : Buffer.from(each.key + each.data)
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(bytes.length)
    parts.push(length, bytes)
  }
  return compress(Buffer.concat(parts), level)
}

const KEY_CHARACTERS = 22

export function unpackData(packed: Uint8Array | null, count: number): StoredData[] {
  if (packed === null) return Array.from({ length: count }, () => null)
  const bytes = decompress(packed)
  const data: StoredData[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at)
    const text = bytes.toString('utf8', at + 4, end)
    data.push(text === '' ? null : { key: text.slice(0, KEY_CHARACTERS), data: text.slice(KEY_CHARACTERS) })
    at = end
  }
  return data
}

/** The data of a bundle without that of some of its entries. */
export function withoutData(
  bundle: { first: number; count: number; data: Uint8Array | null },
  [from, count]: readonly [number, number],
): Buffer | null {
  const { first, count: held, data } = bundle
  const isErased = (index: number) => index >= from && index < from + count
  return packData(unpackData(data, held).map((each, i) => (isErased(first + i) ? null : each)))
}

/** A bundle of which some entries are only known by their hash any more. */
export function withoutEntries(
  bundle: { first: number; count: number; entries: Uint8Array; data: Uint8Array | null },
  run: readonly [number, number],
): { entries: Buffer; data: Buffer | null } {
  const isGone = (index: number) => index >= run[0] && index < run[0] + run[1]
  const entries = unpackEntries(bundle.entries).map((entry, i) =>
    isGone(bundle.first + i) ? { hash: hashOf(entry) } : entry,
  )
  return { entries: packEntries(entries), data: withoutData(bundle, run) }
}

/** What the log knows an entry by. */
export function hashOf(entry: StoredEntry): Buffer {
  return 'leaf' in entry ? leafHash(entry.leaf) : entry.hash
}

/** Cuts a range of a log's entries where a tile ends. */
export function cutAtTiles<T>(
  first: number,
  entries: readonly T[],
): { first: number; entries: readonly T[] }[] {
  const cuts: { first: number; entries: readonly T[] }[] = []
  for (let at = 0; at < entries.length; ) {
    const length = TILE - ((first + at) % TILE)
    cuts.push({ first: first + at, entries: entries.slice(at, at + length) })
    at += length
  }
  return cuts
}

function compress(bytes: Buffer, level: number): Buffer {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } })
}

function decompress(packed: Uint8Array): Buffer {
  return zstdDecompressSync(packed, { maxOutputLength: LONGEST })
}
