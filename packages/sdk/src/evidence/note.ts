import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto'
import { AppError } from '../core/index.ts'
import { sha256 } from './hash.ts'

/** What a signature of a note is made with (C2SP signed-note): the text itself, or the text and the time at which it was seen. */
export type NoteKeyKind = 'ed25519' | 'cosignature'

const TYPES = { ed25519: 0x01, cosignature: 0x04 } as const satisfies Record<NoteKeyKind, number>
const DASH = '\u2014'
const SIGNATURE_BYTES = 64
const MOST_SIGNATURES = 64
const LONGEST_NOTE = 1 << 20

/** Checks signatures of one key. `vkey` is how the key is written down and given to others. */
export interface NoteVerifier {
  readonly name: string
  readonly kind: NoteKeyKind
  readonly vkey: string
  /** First 4 bytes of a hash of name, type and key; tells keys of one name apart. */
  readonly id: Buffer
  /** The time of a cosignature in seconds, or true; undefined where the signature does not hold. */
  verify(text: string, signature: Uint8Array): number | true | undefined
}

/** Signs notes with an Ed25519 key under a name. */
export interface NoteSigner extends NoteVerifier {
  /** `seconds` since 1970 is when a cosignature was made; other signatures do without. */
  sign(text: string, seconds?: number): Buffer
}

/** A note whose signatures were looked at. */
export interface OpenedNote {
  text: string
  /** Those that hold; `seconds` of a cosignature says when it was made. */
  signed: { name: string; vkey: string; seconds: number | null }[]
}

export function createNoteSigner(name: string, kind: NoteKeyKind, seed: Uint8Array): NoteSigner {
  const key = privateKeyOf(seed)
  const verifier = createNoteVerifier(name, kind, rawPublicKey(createPublicKey(key)))
  return {
    ...verifier,
    sign(text, seconds = 0) {
      if (kind === 'ed25519') return signBytes(null, Buffer.from(text), key)
      const time = Buffer.alloc(8)
      time.writeBigUInt64BE(BigInt(seconds))
      return Buffer.concat([time, signBytes(null, Buffer.from(cosigned(text, seconds)), key)])
    },
  }
}

export function createNoteVerifier(name: string, kind: NoteKeyKind, publicKey: Uint8Array): NoteVerifier {
  if (!isKeyName(name)) throw new AppError('request.invalid', 'The name of a key has no spaces and no "+".')
  if (publicKey.length !== 32) throw new AppError('request.invalid', 'An Ed25519 key has 32 bytes.')
  const typed = Buffer.concat([Buffer.of(TYPES[kind]), publicKey])
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), typed])).subarray(0, 4)
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') },
    format: 'jwk',
  })
  return {
    ...{ name, kind, id },
    vkey: `${name}+${id.toString('hex')}+${typed.toString('base64')}`,
    verify(text, signature) {
      if (kind === 'ed25519')
        return signature.length === SIGNATURE_BYTES && verifyBytes(null, Buffer.from(text), key, signature)
          ? true
          : undefined
      if (signature.length !== 8 + SIGNATURE_BYTES) return undefined
      const seconds = Number(Buffer.from(signature.subarray(0, 8)).readBigUInt64BE())
      const message = Buffer.from(cosigned(text, seconds))
      return verifyBytes(null, message, key, signature.subarray(8)) ? seconds : undefined
    },
  }
}

/** Reads a key as others write it down: `name+hex id+base64 of type and key`. */
export function parseVkey(vkey: string): NoteVerifier {
  const [, name, id, key] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(vkey.trim()) ?? []
  const typed = Buffer.from(key ?? '', 'base64')
  const kind = (Object.keys(TYPES) as NoteKeyKind[]).find(known => TYPES[known] === typed[0])
  if (name === undefined || kind === undefined || typed.length !== 33 || typed.toString('base64') !== key)
    throw new AppError('request.invalid', `"${vkey.slice(0, 100)}" is no key of a kind that is known here.`)
  const verifier = createNoteVerifier(name, kind, typed.subarray(1))
  if (verifier.id.toString('hex') !== id)
    throw new AppError('request.invalid', `The key of ${name} is damaged: its id does not fit.`)
  return verifier
}

/** A new key: 32 random bytes, from which signers are made. */
export function newNoteSeed(): Buffer {
  const { privateKey } = generateKeyPairSync('ed25519')
  return Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
}

/** The public key that belongs to a seed. */
export function publicKeyOf(seed: Uint8Array): Buffer {
  return rawPublicKey(createPublicKey(privateKeyOf(seed)))
}

/** A text, which ends with a newline, and its signatures. */
export function signNote(text: string, signers: readonly NoteSigner[], seconds?: number): string {
  if (!isNoteText(text))
    throw new AppError('request.invalid', 'A note is lines of text, without control characters.')
  return `${text}\n${signers.map(signer => signatureLine(signer, signer.sign(text, seconds))).join('')}`
}

/** One line under a note. */
export function signatureLine(
  { name, id }: Pick<NoteVerifier, 'name' | 'id'>,
  signature: Uint8Array,
): string {
  return `${DASH} ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`
}

/**
 * Checks a note: signatures of keys that are not known are passed over, one of a known key that does not hold makes the
 * note worthless, and so does having none. Throws `evidence.invalid`.
 */
export function openNote(note: string, known: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = partNote(note)
  const signed: OpenedNote['signed'] = []
  for (const { name, id, signature } of signatures) {
    const verifier = known.find(key => key.name === name && key.id.equals(id))
    if (!verifier || signed.some(({ vkey }) => vkey === verifier.vkey)) continue
    const verified = verifier.verify(text, signature)
    if (verified === undefined) throw invalid(`The signature of ${name} under the note does not hold.`)
    signed.push({ name, vkey: verifier.vkey, seconds: verified === true ? null : verified })
  }
  if (signed.length === 0) throw invalid('No key that is trusted here has signed the note.')
  return { text, signed }
}

interface NoteSignature {
  name: string
  id: Buffer
  signature: Buffer
}

/** Takes a note apart without checking a signature. */
export function partNote(note: string): { text: string; signatures: NoteSignature[] } {
  const at = note.lastIndexOf('\n\n')
  const text = note.slice(0, at + 1)
  const lines = note.slice(at + 2)
  if (at === -1 || note.length > LONGEST_NOTE || !isNoteText(text) || !lines.endsWith('\n'))
    throw invalid('This is no signed note.')
  const signatures = lines.slice(0, -1).split('\n').map(readSignature)
  if (signatures.length > MOST_SIGNATURES) throw invalid('The note has more signatures than anyone needs.')
  return { text, signatures }
}

function readSignature(line: string): NoteSignature {
  const [, name, encoded] = new RegExp(`^${DASH} (\\S+) ([A-Za-z0-9+/]+={0,2})$`, 'u').exec(line) ?? []
  const bytes = Buffer.from(encoded ?? '', 'base64')
  if (name === undefined || !isKeyName(name) || bytes.length < 5 || bytes.toString('base64') !== encoded)
    throw invalid('A signature of the note is malformed.')
  return { name, id: bytes.subarray(0, 4), signature: bytes.subarray(4) }
}

function isKeyName(name: string): boolean {
  return name !== '' && name.length <= 500 && !/[\s+\p{Cc}]/u.test(name) && name.isWellFormed()
}

function isNoteText(text: string): boolean {
  // Of the control characters only the newline; RFC 3629 has no form for half a character.
  return text.endsWith('\n') && text.isWellFormed() && !/[\p{Cc}--\n]/v.test(text)
}

/** What is signed when a checkpoint is cosigned (C2SP tlog-cosignature). */
function cosigned(text: string, seconds: number): string {
  return `cosignature/v1\ntime ${seconds}\n${text}`
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new AppError('config.invalid', 'The seed of an Ed25519 key has 32 bytes.')
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
}

function rawPublicKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
}

function invalid(message: string): AppError {
  return new AppError('evidence.invalid', message)
}
