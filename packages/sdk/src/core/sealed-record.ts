import type { Json, JsonObject } from './json.ts'

/**
 * A record in its two parts. `leaf` goes into the log, whose entries can never be changed; `data` holds what may have to
 * be erased one day, and the leaf names it by a commitment only.
 */
export interface RecordParts {
  leaf: JsonObject
  data: JsonObject | null
}

/** What calls and changes carry of people and their things, in words that a rule cannot tell apart. */
const APART = new Set(['arguments', 'detail'])
/** What is longer is kept whole beside the log, so that an entry stays below the 65,535 bytes that a tile can hold. */
const LONGEST_TEXT = 1_000
const LONGEST_LIST = 32

/**
 * Parts a record. What has no value is in neither part (in the leaf it is undefined, which no text of it shows); of a text
 * that is too long the leaf keeps the beginning.
 */
export function partRecord(record: object): RecordParts {
  // A copy with members taken out, and not a new object that they are put into: engines write that three times as fast.
  const leaf: { [key: string]: Json | undefined } = { ...record }
  let data: JsonObject | null = null
  for (const key in leaf) {
    const value = leaf[key]
    const isLong = typeof value === 'string' && value.length > LONGEST_TEXT
    const isLongList = Array.isArray(value) && value.length > LONGEST_LIST
    const isApart = APART.has(key)
    if (value === null || value === undefined) leaf[key] = undefined
    else if (isApart || isLong || isLongList) {
      data ??= {}
      data[key] = value
      leaf[key] = isLong && !isApart ? value.slice(0, LONGEST_TEXT) : undefined
    }
  }
  return { leaf: leaf as JsonObject, data }
}

/** What a record is known by, and so never apart. */
const IDENTITY = new Set(['v', 'type', 'id', 'at', 'organization', 'commitment', 'writer'])

/** A record as it was before it was parted, without what has been erased. What the leaf says, the rest can only complete. */
export function joinRecord({ leaf, data }: RecordParts): JsonObject {
  if (data === null) return leaf
  const record = { ...leaf }
  for (const [key, value] of Object.entries(data)) {
    const begun = leaf[key]
    const completes = typeof begun === 'string' && typeof value === 'string' && value.startsWith(begun)
    if (completes || (begun === undefined && !IDENTITY.has(key))) record[key] = value
  }
  return record
}
