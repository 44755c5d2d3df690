import type { JsonObject, Writer } from '../../core/index.ts'
import { commitTo } from '../commitment.ts'
import { leafHash } from '../hash.ts'
import type { Finding } from './report.ts'

/** An entry as a line of a bundle has it, looked at by itself. */
export interface CheckedEntry {
  index: number
  /** The hash that its text has; where there is no text, the one that stands beside it. */
  hash: Buffer
  /** The hash that stands beside it, where that is another one. */
  stated: Buffer | null
  /** What it says; undefined where it was pruned, or cannot be read. */
  leaf: JsonObject | undefined
  writer: Writer | undefined
  isPruned: boolean
  /** It commits to something that is not there. */
  isErased: boolean
  proof: Buffer[] | null
  findings: Finding[]
}

/** Checks one entry: its text against its hash, and what lies beside it against what it commits to. */
export function checkEntry(fields: readonly string[]): CheckedEntry | undefined {
  const [, index = '', stated = '', text = '', key = '', data = '', proof] = fields
  const statedHash = Buffer.from(stated, 'base64')
  const hashes = proof === undefined ? null : readHashes(proof)
  if (!/^(0|[1-9]\d{0,14})$/.test(index) || statedHash.length !== 32 || fields.length > 7) return undefined
  if (hashes === undefined) return undefined
  const at = Number(index)
  const common = { index: at, proof: hashes }
  if (text === '') {
    const isPlain = key === '' && data === '' && statedHash.toString('base64') === stated
    const absent = { stated: null, leaf: undefined, writer: undefined, isErased: false }
    if (!isPlain) return undefined
    return { ...common, ...absent, hash: statedHash, isPruned: true, findings: [] }
  }
  const hash = leafHash(text)
  const leaf = readObject(text)
  const id = typeof leaf?.['id'] === 'string' ? leaf['id'] : null
  const findings: Finding[] = []
  const found = (sentence: string) =>
    void findings.push({ kind: 'changed', first: at, last: at, id, sentence })
  const name = nameOf(at, leaf)
  const isTrue = hash.toString('base64') === stated
  if (!isTrue) found(`${name} was changed: its text is not the one that the log holds.`)
  else if (!leaf) found(`${name} is no JSON object.`)
  const commitment = leaf?.['commitment']
  const isErased = commitment !== undefined && key === '' && data === ''
  if (isTrue && !isErased && !isCommitted(commitment, key, data))
    found(`What lies beside ${name} was changed: the record commits to something else.`)
  return {
    ...common,
    ...{ hash, stated: isTrue ? null : statedHash, leaf, isPruned: false, isErased, findings },
    writer: writerOf(leaf),
  }
}

/** What people call an entry. */
export function nameOf(index: number, leaf: JsonObject | undefined): string {
  const [id, type] = [leaf?.['id'], leaf?.['type']]
  const known = [type, id].filter(word => typeof word === 'string').map(word => word.slice(0, 100))
  return known.length === 0 ? `record ${index}` : `record ${index} (${known.join(' ')})`
}

/** A list of hashes as it is written; undefined where it is none. */
export function readHashes(text: string): Buffer[] | undefined {
  if (text === '') return []
  const hashes = text.split(' ').map(each => Buffer.from(each, 'base64'))
  const isExact = hashes.every(hash => hash.length === 32)
  return isExact && hashes.map(hash => hash.toString('base64')).join(' ') === text ? hashes : undefined
}

function isCommitted(commitment: unknown, key: string, data: string): boolean {
  if (commitment === undefined) return key === '' && data === ''
  return /^[\w-]{22}$/.test(key) && commitTo(data, key) === commitment
}

function readObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}

function writerOf(leaf: JsonObject | undefined): Writer | undefined {
  const writer = leaf?.['writer']
  if (writer === undefined) return undefined
  // By hand for the usual case: the schema costs as much as all else together.
  const { point, epoch, counter, previous } = writer as Record<string, unknown>
  const isPlain =
    typeof point === 'string' && [epoch, counter, previous].every(number => Number.isSafeInteger(number))
  return isPlain ? (writer as unknown as Writer) : undefined
}
