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

const INDEX = /^(0|[1-9]\d{0,14})$/
const NOTHING_WRONG: Finding[] = []

/** Checks one entry: its text against its hash, and what lies beside it against what it commits to. */
export function checkEntry(fields: readonly string[]): CheckedEntry | undefined {
  const [, number = '', stated = '', text = '', key = '', data = '', rest] = fields
  const proof = rest === undefined ? null : readHashes(rest)
  if (!INDEX.test(number) || proof === undefined || fields.length > 7) return undefined
  const index = Number(number)
  if (text === '') return key === '' && data === '' ? checkPruned(index, stated, proof) : undefined
  const hash = leafHash(text)
  const isTrue = hash.toString('base64') === stated
  const other = isTrue ? null : Buffer.from(stated, 'base64')
  if (other && other.length !== hash.length) return undefined
  const leaf = readObject(text)
  const commitment = leaf?.['commitment']
  const isErased = commitment !== undefined && key === '' && data === ''
  const isWhole = isErased || isCommitted(commitment, key, data)
  const findings = isTrue && leaf && isWhole ? NOTHING_WRONG : [toFinding(index, leaf, { isTrue, isWhole })]
  const writer = writerOf(leaf)
  return { index, hash, stated: other, leaf, writer, isPruned: false, isErased, proof, findings }
}

/** Of what was pruned the hash is left, and has to be written as it is always written. */
function checkPruned(index: number, stated: string, proof: Buffer[] | null): CheckedEntry | undefined {
  const hash = Buffer.from(stated, 'base64')
  if (hash.length !== 32 || hash.toString('base64') !== stated) return undefined
  const absent = { stated: null, leaf: undefined, writer: undefined, isErased: false }
  return { ...absent, index, hash, isPruned: true, proof, findings: NOTHING_WRONG }
}

function toFinding(
  index: number,
  leaf: JsonObject | undefined,
  { isTrue, isWhole }: { isTrue: boolean; isWhole: boolean },
): Finding {
  const name = nameOf(index, leaf)
  const id = typeof leaf?.['id'] === 'string' ? leaf['id'] : null
  const sentence = !isTrue
    ? `${name} was changed: its text is not the one that the log holds.`
    : isWhole
      ? `${name} is no JSON object.`
      : `What lies beside ${name} was changed: the record commits to something else.`
  return { kind: 'changed', first: index, last: index, id, sentence }
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
  // The last of 22 characters has four bits that say nothing: the same key must not be written in two ways.
  return /^[\w-]{21}[AQgw]$/.test(key) && commitTo(data, key) === commitment
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
