import { createPublicKey } from 'node:crypto'
import * as z from 'zod'
import type { JsonObject } from '../../core/index.ts'
import { parseCheckpoint } from '../checkpoint.ts'
import { readKeyStatement } from '../key-statement.ts'
import { openNote, partNote } from '../note.ts'
import { checkEntry, nameOf, readHashes } from './entry-check.ts'
import { note, type Reading } from './reading.ts'
import { type Claim, MOST_FINDINGS } from './report.ts'
import type { VerifyTerms } from './verify.ts'

const About = z.object({
  origin: z.string(),
  log: z.string(),
  isWhole: z.boolean(),
  size: z.number().int().min(0),
  query: z.record(z.string(), z.json()),
  madeAt: z.string(),
  madeBy: z.string(),
})

const Heads = z.array(z.tuple([z.string(), z.number().int(), z.number().int(), z.string()]))

/** What enforcement points alone can record: without their number nobody but the authority says that it was. */
const OF_POINTS = ['attempt', 'outcome']

/** More keys than any log will have; each costs signatures to check. */
const MOST_STATEMENTS = 1_000

/** Takes in a line of a bundle; its first line and its last are not among them. */
export function readLine(reading: Reading, line: string, terms: VerifyTerms): void {
  const fields = line.split('\t')
  const [kind, first = '', second = '', third] = fields
  try {
    if (kind === 'entry') readEntry(reading, fields)
    else if (kind === 'about') reading.about = About.parse(JSON.parse(first))
    else if (kind === 'point')
      reading.points.set(first, createPublicKey({ key: JSON.parse(second), format: 'jwk' }))
    else if (kind === 'statement') readStatement(reading, String(JSON.parse(first)), terms)
    else if (kind === 'checkpoint') readCheckpoint(reading, String(JSON.parse(first)), terms)
    else if (kind === 'consistency')
      reading.consistent.push({
        from: Number(first),
        size: Number(second),
        proof: readHashes(third ?? '') ?? [],
      })
    // Keys are for whoever wants to compare them; trusted is what the verifier was given.
    else if (kind !== 'key' && kind !== 'witness') throw new Error('no kind of line that is known')
  } catch {
    note(reading, 'malformed', null, `A line of kind "${kind?.slice(0, 20)}" cannot be read.`)
  }
}

/** By itself it says nothing: it counts as much as the keys that have signed it. */
function readStatement(reading: Reading, text: string, { trust }: VerifyTerms): void {
  if (reading.statements.length >= MOST_STATEMENTS) throw new Error('no log has that many keys')
  reading.statements.push(readKeyStatement(text))
  reading.trust = trust.with(reading.statements)
}

/** A checkpoint that no trusted key has signed says nothing; one whose signature does not hold was changed. */
function readCheckpoint(reading: Reading, text: string, { witnesses = [] }: VerifyTerms): void {
  const checkpoint = parseCheckpoint(text)
  const known = reading.trust(checkpoint.origin)
  const origin = reading.about?.origin
  if (origin !== undefined && checkpoint.origin !== origin)
    return void note(
      reading,
      'malformed',
      null,
      `A checkpoint of ${checkpoint.origin} is in a bundle of ${origin}.`,
    )
  try {
    const { signed } = openNote(text, [...known, ...witnesses])
    if (signed.some(({ vkey }) => known.some(key => key.vkey === vkey)))
      reading.checkpoints.push({ ...checkpoint, signed })
  } catch (error) {
    const isOfOthers = !partNote(text).signatures.some(({ id }) => known.some(key => key.id.equals(id)))
    if (isOfOthers) return
    const message = error instanceof Error ? error.message : ''
    note(reading, 'altered', null, `The checkpoint of ${checkpoint.size} entries was changed. ${message}`)
  }
}

function readEntry(reading: Reading, fields: readonly string[]): void {
  const { leaves, findings } = reading
  const entry = checkEntry(fields)
  reading.entries++
  if (!entry) {
    const first = /^\d{1,15}$/.test(fields[1] ?? '') ? Number(fields[1]) : null
    const which = first === null ? `Line ${reading.entries} of the records` : `The line of record ${first}`
    return void note(
      reading,
      'malformed',
      first === null ? null : { first, last: first },
      `${which} is damaged.`,
    )
  }
  const { index, hash, stated, leaf } = entry
  const at = { first: index, last: index }
  for (const finding of entry.findings) if (findings.length < MOST_FINDINGS) findings.push(finding)
  // A made-up index must not make us keep room for it.
  if (index > (reading.about?.size ?? 0) + reading.entries)
    return void note(reading, 'malformed', null, `There is no record ${index} in this log.`)
  if (leaves.at(index)) return void note(reading, 'reordered', at, `${nameOf(index, leaf)} is there twice.`)
  if (index < reading.highest)
    note(reading, 'reordered', at, `${nameOf(index, leaf)} stands behind record ${reading.highest}.`)
  reading.highest = Math.max(reading.highest, index)
  leaves.put(index, hash)
  if (stated) leaves.state(index, stated)
  if (entry.proof) reading.proven.push({ entry, proof: entry.proof })
  if (entry.isPruned) reading.prunedAt.push(index)
  if (entry.writer) {
    reading.counters.note(entry.writer)
    reading.vouching.claim(index, entry.writer.point)
  } else if (leaf && entry.findings.length === 0 && OF_POINTS.includes(leaf['type'] as string))
    note(reading, 'forged', at, `${nameOf(index, leaf)} names no enforcement point that could vouch for it.`)
  reading.erasures.note(entry, fields[5] ?? '')
  if (leaf?.['type'] === 'shipment') reading.shipments.push({ index, leaf })
  if (leaf?.['type'] === 'heads') reading.heads.push(...headsIn(reading, index, leaf))
}

/** What an entry of the log of heads says of the other logs of its environment. */
function headsIn({ about }: Reading, index: number, leaf: JsonObject): Claim[] {
  const [prefix] = /^.*(?=\/heads(\/\d+)?$)/.exec(about?.origin ?? '') ?? []
  if (prefix === undefined) return []
  return Heads.parse(leaf['heads']).map(([name, generation, size, root]) => ({
    origin: `${prefix}/${name}${generation === 1 ? '' : `/${generation}`}`,
    ...{ size, root: Buffer.from(root, 'base64'), by: `record ${index} of the log of heads` },
  }))
}
