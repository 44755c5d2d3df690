import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkpointText, parseCheckpoint } from './checkpoint.ts'
import { sha256 } from './hash.ts'
import {
  createNoteSigner,
  createNoteVerifier,
  newNoteSeed,
  openNote,
  parseVkey,
  partNote,
  publicKeyOf,
  signatureLine,
  signNote,
} from './note.ts'
import { checkReceipt, parseReceipt, writeReceipt } from './receipt.ts'

/** The key of RFC 8037, appendix A. */
const SEED = Buffer.from('nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', 'base64url')
const VKEY = 'audit.example.com/tenant1+ccaa8e2f+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea'
const TEXT = 'audit.example.com/tenant1\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n'
const LOG_LINE =
  '— audit.example.com/tenant1 zKqOL6uMymOnBpCJlOikWnGZlLsv2WB56Y+FpCi7R+qZhGsj/gVCmkTQZhO6F3XAib1x4dmlXG15vqr9nj8GiUIcdQ4=\n'
const WITNESS_LINE =
  '— witness.example.org/w1 66EmNAAAAABrSdIAd+n64j8aYxH93/AZjD2I36pqInmyvI2f3R3Z0vAAelZ/rvYQH+9vm0wpHQcjmzzvcMubk1cAj+Z9QddUcQPGCA==\n'

const log = createNoteSigner('audit.example.com/tenant1', 'ed25519', SEED)
const witness = createNoteSigner('witness.example.org/w1', 'cosignature', SEED)

test('a checkpoint and its cosignature are byte for byte those of the vectors', () => {
  expect(log.vkey).toBe(VKEY)
  const root = Buffer.from('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328', 'hex')
  expect(checkpointText({ origin: 'audit.example.com/tenant1', size: 8, root })).toBe(TEXT)
  expect(signNote(TEXT, [log, witness], 1_800_000_000)).toBe(`${TEXT}\n${LOG_LINE}${WITNESS_LINE}`)
  const opened = openNote(`${TEXT}\n${LOG_LINE}${WITNESS_LINE}`, [parseVkey(VKEY), parseVkey(witness.vkey)])
  expect(opened.signed).toEqual([
    { name: log.name, vkey: VKEY, seconds: null },
    { name: witness.name, vkey: witness.vkey, seconds: 1_800_000_000 },
  ])
  expect(parseCheckpoint(opened.text)).toEqual({ origin: 'audit.example.com/tenant1', size: 8, root })
})

test('the note that the Go package shows is good', () => {
  const key = parseVkey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
  const text =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
  const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`
  expect(openNote(note, [key]).text).toBe(text)
})

test('unknown signers are passed over, a known one that fails spoils the note, and so does having none', () => {
  const other = createNoteSigner('audit.example.com/tenant1', 'ed25519', newNoteSeed())
  const note = signNote(TEXT, [other, log])
  expect(openNote(note, [log]).signed).toHaveLength(1)
  expect(openNote(note, [log, other]).signed).toHaveLength(2)
  expect(() => openNote(note, [witness])).toThrow('No key that is trusted here')
  expect(() => openNote(note.replace('8\n', '9\n'), [log])).toThrow('does not hold')
  const swapped = note.replace(TEXT, TEXT.replace('tenant1', 'tenant2'))
  expect(() => openNote(swapped, [log])).toThrow('does not hold')
  // Sixteen that nobody knows are no reason to refuse.
  const crowd = Array.from({ length: 16 }, (_, i) => createNoteSigner(`w${i}`, 'cosignature', newNoteSeed()))
  expect(openNote(signNote(TEXT, [...crowd, log]), [log]).signed).toHaveLength(1)
})

test('every changed byte of a signed note is noticed', () => {
  const note = Buffer.from(`${TEXT}\n${LOG_LINE}${WITNESS_LINE}`)
  for (let at = 0; at < note.length; at++) {
    const bent = Buffer.from(note)
    bent[at] = (bent[at] ?? 0) ^ 1
    let signed = 0
    try {
      signed = openNote(bent.toString(), [log, witness]).signed.length
    } catch {
      continue
    }
    // Only a name or key id that nobody knows any more is passed over, with its own signature and no other.
    expect(signed).toBe(1)
  }
})

test.each([
  ['nothing', ''],
  ['no signature', TEXT],
  ['no line before the signatures', `${TEXT}${LOG_LINE}`],
  ['another dash', `${TEXT}\n${LOG_LINE.replace('—', '-')}`],
  ['a control character', `${TEXT}\u0000\n\n${LOG_LINE}`],
  ['a carriage return', `${TEXT}\r\n\n${LOG_LINE}`],
  ['half a character', `${TEXT}\ud800\n\n${LOG_LINE}`],
  ['no newline at the end', `${TEXT}\n${LOG_LINE.trimEnd()}`],
  ['base64 with bits to spare', `${TEXT}\n${LOG_LINE.replace('Q4=', 'Q5=')}`],
  ['too many signatures', `${TEXT}\n${LOG_LINE.repeat(65)}`],
])('a note with %s is none', (_what, note) => {
  expect(() => openNote(note, [log])).toThrow()
})

test.each([
  VKEY.replace('ccaa8e2f', 'ccaa8e2e'),
  VKEY.replace('tenant1', 'tenant2'),
  VKEY.replace('Add', 'Aed'),
  VKEY.slice(0, -1),
  VKEY.replace('+A', '+/'),
  'name+00000000+',
])('%s is no key', vkey => {
  expect(() => parseVkey(vkey)).toThrow()
})

test.each([
  '',
  'a\n',
  'a\n01\nAAAA\n',
  'a\n-1\n',
  `a\n9007199254740993\n${Buffer.alloc(32).toString('base64')}\n`,
])('%j is no checkpoint', text => {
  expect(() => parseCheckpoint(text)).toThrow('no checkpoint')
})

test('keys are made anew, and are written and read the same', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('ed25519' as const, 'cosignature' as const),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      (kind, seed) => {
        const signer = createNoteSigner('log.example/x', kind, seed)
        expect(parseVkey(signer.vkey)).toMatchObject({ name: 'log.example/x', kind, vkey: signer.vkey })
        expect(createNoteVerifier('log.example/x', kind, publicKeyOf(seed)).vkey).toBe(signer.vkey)
      },
    ),
    { numRuns: 20 },
  )
  expect(newNoteSeed()).not.toEqual(newNoteSeed())
})

test('a receipt proves its entry and no other, and every changed byte of it is noticed', () => {
  const leaves = ['a', 'b', 'c'].map(entry => sha256(`\u0000${entry}`))
  const [a, b, c] = leaves as [Buffer, Buffer, Buffer]
  const node = (left: Buffer, right: Buffer) => sha256(Buffer.concat([Buffer.of(1), left, right]))
  const checkpoint = signNote(checkpointText({ origin: log.name, size: 3, root: node(node(a, b), c) }), [log])
  const text = writeReceipt({ index: 1, proof: [a, c], checkpoint, entry: '', statements: [] })
  expect(text.startsWith('c2sp.org/tlog-proof@v1\nindex 1\n')).toBe(true)
  expect(checkReceipt(parseReceipt(text), b, [log])).toMatchObject({ size: 3, origin: log.name })
  expect(() => checkReceipt(parseReceipt(text), c, [log])).toThrow('another one')
  // The same key under the name of another log: what it has signed for one proves nothing about the other.
  const other = createNoteSigner(`${log.name}-other`, 'ed25519', SEED)
  const { signatures } = partNote(checkpoint)
  const relabelled = text.replace(
    /\n\u2014 .*/,
    `\n${signatureLine(other, signatures[0]?.signature ?? Buffer.alloc(0)).trimEnd()}`,
  )
  expect(() => checkReceipt(parseReceipt(relabelled), b, [other])).toThrow('No key of')
  const extra = writeReceipt({ index: 1, proof: [a, c], checkpoint, entry: 'dec_1', statements: [] })
  expect(parseReceipt(extra).entry).toBe('dec_1')
  // Written in another way, with what is no text, or with something else behind the entry.
  const [, written = ''] = /^extra (.+)$/m.exec(extra) ?? []
  for (const other of [
    `${written}=`,
    written.replace(/.$/, '*'),
    '/w==',
    Buffer.from('dec_1\nx').toString('base64'),
  ])
    expect(() => parseReceipt(extra.replace(written, other)), other).toThrow('malformed')
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at++) {
    const bent = Buffer.from(bytes)
    bent[at] = (bent[at] ?? 0) ^ 1
    expect(() => checkReceipt(parseReceipt(bent.toString()), b, [log]), `byte ${at}`).toThrow()
  }
})
