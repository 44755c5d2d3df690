import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import * as nodePath from 'node:path'
import {
  bundleHead,
  checkpointText,
  compareWithClaims,
  createBundleVerifier,
  createNoteSigner,
  endLine,
  endText,
  entryLine,
  leafHash,
  newNoteSeed,
  parseTrust,
  publicKeyOf,
  rootOf,
  sha256,
  signatureLine,
  signNote,
} from '@valetkey/sdk/evidence'
import { beforeAll, describe, expect, test } from 'vitest'
import { pseudoRandom } from '../../bench/measure.ts'
import { verifyBundle } from '../../examples/verify/verify.ts'
import { openEvidence, verify } from './evidence-stage.ts'
import { start } from './product.ts'
import { openTerminal } from './terminal.ts'

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
  }, 120_000)

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

describe('a log with two histories', () => {
  const SEED = newNoteSeed()
  const ORIGIN = 'auth.test/log/org_1'
  const trusted = [`auth.test/log/*+${publicKeyOf(SEED).toString('base64')}`]
  const leaf = (text: string) => JSON.stringify({ id: `evt_${text}`, type: 'x.done', v: 1 })
  const history = (name: string, size: number) =>
    Array.from({ length: size }, (_, i) => leaf(i < 10 ? `both_${i}` : `${name}_${i}`))
  const checkpoint = (leaves: readonly string[], size: number, origin = ORIGIN) =>
    signNote(checkpointText({ origin, size, root: rootOf(leaves.slice(0, size).map(leafHash)) }), [
      createNoteSigner(origin, 'ed25519', SEED),
    ])

  /** A bundle that holds by itself, signed by the one who shows different people different things. */
  function show(leaves: readonly string[], sizes: readonly number[], origin = ORIGIN): string {
    const about = {
      ...{ origin, log: origin.split('/').at(-1) ?? '', isWhole: true, size: leaves.length },
      ...{ query: {}, madeAt: '', madeBy: 'tok_1' },
    }
    const checkpoints = sizes.map(size => checkpoint(leaves, size, origin))
    const head = bundleHead({ about, keys: [], witnesses: [], points: [], checkpoints })
    const entries = leaves.map((text, index) =>
      entryLine({ index, hash: leafHash(text), leaf: text, data: null }),
    )
    const body = head + entries.join('')
    const text = endText(sha256(body), leaves.length)
    return body + endLine(signNote(text, [createNoteSigner(origin, 'ed25519', SEED)]))
  }

  test('two people who were shown two histories find out by comparing what they hold', () => {
    const [one, other] = [show(history('a', 30), [10, 30]), show(history('b', 25), [10, 25])].map(text =>
      verify(text, trusted),
    )
    if (!one || !other) throw new Error('there are two')
    expect([one.findings, other.findings]).toEqual([[], []])
    expect(compareWithClaims(one, other.claims)).toMatchObject([
      { kind: 'forked', sentence: expect.stringContaining('its first 25 entries are others') },
    ])
    expect(compareWithClaims(other, one.claims)).toMatchObject([{ kind: 'cut' }])
    // Of the same history, one is longer: that is no fork.
    const longer = verify(show(history('a', 40), [10, 40]), trusted)
    expect(compareWithClaims(longer, one.claims)).toEqual([])
  })

  test('a checkpoint that somebody kept tells, and so does the log of heads', async () => {
    const leaves = history('a', 30)
    const heads = (size: number, of: readonly string[]) => [
      JSON.stringify({
        heads: [['org_1', 1, size, rootOf(of.slice(0, size).map(leafHash)).toString('base64')]],
        ...{ id: 'evt_1', type: 'heads', v: 1 },
      }),
    ]
    const report = verify(show(leaves, [30]), trusted)
    const said = (lines: string[]) => verify(show(lines, [1], 'auth.test/log/heads'), trusted).claims
    expect(compareWithClaims(report, said(heads(20, leaves)))).toEqual([])
    expect(compareWithClaims(report, said(heads(20, history('b', 30))))).toMatchObject([{ kind: 'forked' }])
    expect(compareWithClaims(report, said(heads(40, history('a', 40))))).toMatchObject([{ kind: 'cut' }])
    await using product = await start()
    await using terminal = await openTerminal(product)
    const put = (name: string, text: string) => writeFile(nodePath.join(terminal.directory, name), text)
    await put('keys', trusted.join('\n'))
    await put('a.evidence', show(leaves, [30]))
    await put('b.evidence', show(history('b', 25), [25]))
    await put('kept', checkpoint(history('b', 25), 25))
    const verifying = (...more: string[]) =>
      terminal.valetkey(['audit', 'verify', 'a.evidence', '--key-file', 'keys', ...more])
    expect(await verifying()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^✓ a\.evidence: 30 records/),
    })
    for (const more of [['--checkpoint', 'kept'], ['b.evidence']]) {
      const printed = await verifying(...more)
      expect(printed.code, printed.out + printed.err).toBe(8)
      expect(printed.out).toContain('has two histories')
    }
  })

  test('a call that the authority made up is found: no enforcement point has signed it', () => {
    const writer = { point: 'pnt_1', epoch: 1, counter: 1, previous: 0 }
    const madeUp = JSON.stringify({ id: 'dec_1', type: 'attempt', v: 1, writer })
    const leaves = [...history('a', 3), madeUp, leaf('behind')]
    expect(verify(show(leaves, [5]), trusted).findings).toEqual([
      expect.objectContaining({ kind: 'forged', first: 3, last: 3 }),
    ])
    expect(verifyBundle(Buffer.from(show(leaves, [5])), trusted)).toEqual(['No point has signed record 3.'])
    // Nor does it help to name no point at all.
    for (const type of ['attempt', 'outcome']) {
      const nobodys = [...history('a', 3), JSON.stringify({ id: 'dec_1', type, v: 1 }), leaf('behind')]
      expect(verify(show(nobodys, [5]), trusted).findings).toEqual([
        expect.objectContaining({ kind: 'forged', first: 3, last: 3 }),
      ])
      expect(verifyBundle(Buffer.from(show(nobodys, [5])), trusted)).toEqual([
        'No point has signed record 3.',
      ])
    }
  })

  test('who asks for witnesses gets no less', () => {
    const seed = newNoteSeed()
    const witness = createNoteSigner('witness.test/w1', 'cosignature', seed)
    const stranger = createNoteSigner('witness.test/w2', 'cosignature', newNoteSeed())
    const bundle = show(history('a', 12), [12])
    expect(verify(bundle, trusted, { witnesses: [witness] }).findings).toMatchObject([{ kind: 'unsigned' }])
    const note = checkpoint(history('a', 12), 12)
    const seen =
      note + signatureLine(witness, witness.sign(note.slice(0, note.indexOf('\n\n') + 1), 1_800_000_000))
    // The bundle's end is signed anew by whoever puts the cosigned checkpoint in.
    const lines = bundle.split('\n').slice(0, -2)
    const body = `${lines.map(line => (line.startsWith('checkpoint') ? `checkpoint\t${JSON.stringify(seen)}` : line)).join('\n')}\n`
    const end = signNote(endText(sha256(body), 12), [createNoteSigner(ORIGIN, 'ed25519', SEED)])
    const report = verify(body + endLine(end), trusted, { witnesses: [witness] })
    expect(report).toMatchObject({ findings: [], checkpoint: { cosigned: [{ name: 'witness.test/w1' }] } })
    const both = { witnesses: [witness, stranger], quorum: 2 }
    expect(verify(body + endLine(end), trusted, both).findings).toMatchObject([{ kind: 'unsigned' }])
  })
})

test('the second verifier shares no code with the product, and is read in ten minutes', () => {
  const text = readFileSync('examples/verify/verify.ts', 'utf8')
  expect(text.split('\n').length).toBeLessThanOrEqual(300)
  const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name)
  expect(imported).toEqual(['node:crypto', 'node:fs'])
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
