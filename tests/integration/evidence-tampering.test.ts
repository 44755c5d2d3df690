import { createBundleVerifier, leafHash, parseTrust } from '@valetkey/sdk/evidence'
import { beforeAll, describe, expect, test } from 'vitest'
import { pseudoRandom } from '../../bench/measure.ts'
import { verifyBundle } from '../../examples/verify/verify.ts'
import { openEvidence, verify } from './evidence-stage.ts'

/** A bundle taken apart: lines before the entries, entries, and the end. */
interface Parts {
  head: string[]
  entries: string[]
  end: string
}

function part(bundle: string): Parts {
  const lines = bundle.split('\n').slice(0, -1)
  const isEntry = (line: string) => line.startsWith('entry\t')
  return {
    head: lines.filter(line => !isEntry(line)).slice(0, -1),
    entries: lines.filter(isEntry),
    end: lines.at(-1) ?? '',
  }
}
const join = ({ head, entries, end }: Parts) => `${[...head, ...entries, end].join('\n')}\n`

let bundle: string
let parts: Parts
let trust: string[]

async function exportOf(calls: number): Promise<{ bundle: string; trust: string[] }> {
  await using evidence = await openEvidence()
  await evidence.shipCalls(calls)
  for (let i = 0; i < calls / 5; i++) await evidence.change(`agt_${i}`, { reason: `reason ${i}` })
  return { bundle: await evidence.export(), trust: evidence.trust() }
}

beforeAll(async () => {
  const made = await exportOf(8)
  bundle = made.bundle
  trust = made.trust
  parts = part(bundle)
})

const findings = (text: string | Uint8Array) => verify(text, trust).findings
/** Both verifiers must find that something does not hold. */
function expectFound(text: string | Uint8Array, what: string): void {
  expect(findings(text), what).not.toEqual([])
  expect(verifyBundle(Buffer.from(text), trust), what).not.toEqual([])
}

describe('an export of a log', () => {
  test('verifies with its public key alone, in both implementations', () => {
    const report = verify(bundle, trust)
    expect(report.findings).toEqual([])
    expect(report).toMatchObject({ entries: parts.entries.length, shipments: 2, missing: [], erased: 0 })
    expect(verifyBundle(Buffer.from(bundle), trust)).toEqual([])
  })

  test('is read in pieces of any size', () => {
    for (const size of [1, 7, 1_000]) {
      const verifier = createBundleVerifier({ trust: parseTrust(trust) })
      const bytes = Buffer.from(bundle)
      for (let at = 0; at < bytes.length; at += size) verifier.push(bytes.subarray(at, at + size))
      expect(verifier.end().findings).toEqual([])
    }
  })

  test('proves nothing by another key', () => {
    const other = [trust[0]?.replace(/\+.*$/, `+${Buffer.alloc(32, 5).toString('base64')}`) ?? '']
    expect(verify(bundle, other).findings.map(({ kind }) => kind)).toEqual(['unsigned', 'unsigned'])
    expect(verifyBundle(Buffer.from(bundle), other)).not.toEqual([])
  })

  test('every byte of 20 records: each change is found, and the record is named', () => {
    const { head, end } = parts
    const entries = parts.entries.slice(0, 20)
    expect(entries).toHaveLength(20)
    const longest = Math.max(...entries.map(line => Buffer.byteLength(line)))
    let flips = 0
    for (let at = 0; at < longest; at++) {
      // The byte at this place of every record at once; each has to be named by itself.
      const bent = parts.entries.map((line, i) => (i < 20 ? flip(line, at) : undefined))
      const named = new Set(
        findings(join({ head, end, entries: parts.entries.map((line, i) => bent[i] ?? line) })).map(
          ({ first }) => first,
        ),
      )
      for (const [i, line] of bent.entries()) {
        if (line === undefined) continue
        flips++
        // What tells which record it is cannot name it any more; it is found by itself.
        if (at < line.indexOf('\t', 6) + 1)
          expectFound(join({ head, end, entries: parts.entries.with(i, line) }), `byte ${at} of record ${i}`)
        else expect(named, `byte ${at} of record ${i}`).toContain(i)
      }
    }
    expect(flips).toBe(entries.reduce((sum, line) => sum + Buffer.byteLength(line), 0))
  })

  test('every byte before and behind the records', () => {
    const { head, entries, end } = parts
    for (const [i, line] of head.entries())
      for (let at = i % 7; at < Buffer.byteLength(line); at += 7) {
        const bent = flip(line, at)
        if (bent !== undefined) expectFound(join({ head: head.with(i, bent), entries, end }), `${line} ${at}`)
      }
    for (let at = 0; at < Buffer.byteLength(end); at += 7)
      expectFound(join({ head, entries, end: flip(end, at) ?? '' }), `${end} ${at}`)
  })

  test('each record that is dropped, doubled or moved is named', () => {
    const { entries } = parts
    for (let i = 0; i < entries.length; i++) {
      const line = entries[i] ?? ''
      const dropped = join({ ...parts, entries: entries.toSpliced(i, 1) })
      expect(findings(dropped)).toContainEqual(
        expect.objectContaining({ kind: i === entries.length - 1 ? 'cut' : 'dropped', first: i, last: i }),
      )
      expect(verifyBundle(Buffer.from(dropped), trust)).not.toEqual([])
      expect(findings(join({ ...parts, entries: entries.toSpliced(i, 0, line) }))).toContainEqual(
        expect.objectContaining({ kind: 'reordered', first: i }),
      )
      if (i === 0) continue
      const swapped = entries.with(i, entries[i - 1] ?? '').with(i - 1, line)
      expect(findings(join({ ...parts, entries: swapped }))).toContainEqual(
        expect.objectContaining({ kind: 'reordered', first: i - 1 }),
      )
      // The same with their numbers put right.
      expectFound(join({ ...parts, entries: swapped.map(renumber) }), `swapped ${i}`)
      expectFound(join({ ...parts, entries: entries.toSpliced(i, 1).map(renumber) }), `dropped ${i}`)
    }
  })

  test('a tail that was cut off is found, wherever it was cut', () => {
    for (let length = 0; length < parts.entries.length; length++) {
      const cut = findings(join({ ...parts, entries: parts.entries.slice(0, length) }))
      expect(cut).toContainEqual(expect.objectContaining({ kind: 'cut', first: length }))
    }
    for (let length = 0; length < bundle.length; length += 97) {
      expectFound(bundle.slice(0, length), `cut at ${length}`)
    }
    expectFound(`${bundle}entry\t99\n`, 'something added')
  })

  test('who writes hashes, numbers and proofs anew as well is found by what is signed', () => {
    const bent = parts.entries.map((line, i) =>
      i === 4 ? line.replace('"support-bot"', '"another-bot"') : line,
    )
    const rehashed = findings(join({ ...parts, entries: bent.map(rehash) }))
    expect(rehashed.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['altered', 'forged']))
    // By the enforcement point's own signature it is known among which records.
    expect(rehashed).toContainEqual(expect.objectContaining({ kind: 'forged', first: 0, last: 9 }))
    expect(verifyBundle(Buffer.from(join({ ...parts, entries: bent.map(rehash) })), trust)).not.toEqual([])
  })

  test('what a record commits to cannot be taken away as if it were erased', () => {
    const bent = parts.entries.map((line, i) => {
      const fields = line.split('\t')
      return i === 4 ? [...fields.slice(0, 4), '', ''].join('\t') : line
    })
    expect(findings(join({ ...parts, entries: bent }))).toContainEqual(
      expect.objectContaining({ kind: 'withheld', first: 4 }),
    )
    expectFound(join({ ...parts, entries: bent }), 'withheld')
  })
})

test('10,000 random edits of 1,000 records are all found, each by the record that it is in', async () => {
  const made = await exportOf(455)
  const whole = part(made.bundle)
  expect(whole.entries.length).toBeGreaterThanOrEqual(1_000)
  const random = pseudoRandom(6)
  for (let round = 0; round < 10; round++) {
    // One edit in each of 1,000 records at once; each has to be named by itself.
    const entries = whole.entries.map((line, i) => (i < 1_000 ? edit(line, random) : line))
    const report = verify(join({ ...whole, entries }), made.trust)
    const named = new Set(report.findings.map(({ first }) => first))
    for (let i = 0; i < 1_000; i++) expect(named, `round ${round}, record ${i}: ${entries[i]}`).toContain(i)
    expect(verifyBundle(Buffer.from(join({ ...whole, entries })), made.trust).length).toBeGreaterThanOrEqual(
      1_000,
    )
  }
}, 120_000)

/** A line with the lowest bit of one byte turned, which never makes a line or a field of two; undefined past its end. */
function flip(line: string, at: number): string | undefined {
  const bytes = Buffer.from(line)
  const byte = bytes[at]
  if (byte === undefined) return undefined
  bytes[at] = byte ^ 1
  return bytes.toString()
}

/** Changes, drops or inserts some characters in the text, the data or the hash of a record. */
function edit(line: string, random: () => number): string {
  const fields = line.split('\t')
  const choices = [2, 3, 3, ...(fields[5] ? [4, 5, 5] : [])]
  const which = choices[Math.floor(random() * choices.length)] ?? 3
  const field = fields[which] ?? ''
  const at = Math.floor(random() * field.length)
  const length = 1 + Math.floor(random() * 3)
  const put = Array.from({ length: Math.floor(random() * 3) }, () =>
    String.fromCharCode(33 + random() * 90),
  ).join('')
  const edited = field.slice(0, at) + put + field.slice(at + length)
  return fields.with(which, edited === field ? `${field}x` : edited).join('\t')
}

function renumber(line: string, i: number): string {
  return line.split('\t').with(1, String(i)).join('\t')
}

function rehash(line: string): string {
  const fields = line.split('\t')
  return fields.with(2, leafHashOf(fields[3] ?? '')).join('\t')
}

function leafHashOf(leaf: string): string {
  return leafHash(leaf).toString('base64')
}
