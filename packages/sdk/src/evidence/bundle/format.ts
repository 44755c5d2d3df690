import type { Json } from '../../core/index.ts'

/**
 * An evidence bundle: lines of UTF-8 text, whose fields are parted by tabs. JSON writes neither tab nor newline, so each
 * entry of a log stands in it byte for byte as it was hashed. docs/evidence.md has the whole format.
 */
export const BUNDLE_HEAD = 'valetkey-evidence\t1'

/** What a bundle says of itself. */
export interface BundleAbout {
  origin: string
  /** The organization, `environment` or `heads`. */
  log: string
  /** Whether every entry is in it; otherwise those that the query asked for, each with its proof. */
  isWhole: boolean
  /** Entries that the newest checkpoint vouches for. */
  size: number
  /** What was asked for. */
  query: { [filter: string]: Json }
  madeAt: string
  /** Id of who asked. */
  madeBy: string
}

/** An entry of a log as it is put into a bundle. */
export interface BundleEntry {
  index: number
  hash: Uint8Array
  /** Its text; null where it was pruned, so that only the hash is left. */
  leaf: string | null
  /** What it commits to, and by which key; null where there is nothing, or it was erased. */
  data: { text: string; key: string } | null
  /** That it is in the tree of the newest checkpoint; not needed where the bundle is whole. */
  proof?: readonly Uint8Array[]
}

export function entryLine({ index, hash, leaf, data, proof }: BundleEntry): string {
  const fields = ['entry', index, base64(hash), leaf ?? '', data?.key ?? '', data?.text ?? '']
  return `${fields.join('\t')}${proof ? `\t${proof.map(base64).join(' ')}` : ''}\n`
}

/** Proves that the tree of a checkpoint goes on from that of an older one. */
export function consistencyLine(from: number, size: number, proof: readonly Uint8Array[]): string {
  return `consistency\t${from}\t${size}\t${proof.map(base64).join(' ')}\n`
}

/** All that stands before the entries: what it is, the public keys, and the checkpoints, oldest first. */
export function bundleHead(head: {
  about: BundleAbout
  keys: readonly string[]
  /** What the authority says of its keys, oldest first. */
  statements?: readonly string[]
  witnesses: readonly string[]
  points: readonly { id: string; jwk: object }[]
  checkpoints: readonly string[]
}): string {
  const lines = [
    BUNDLE_HEAD,
    `about\t${JSON.stringify(head.about)}`,
    ...head.keys.map(vkey => `key\t${vkey}`),
    ...(head.statements ?? []).map(note => `statement\t${JSON.stringify(note)}`),
    ...head.witnesses.map(vkey => `witness\t${vkey}`),
    ...head.points.map(({ id, jwk }) => `point\t${id}\t${JSON.stringify(jwk)}`),
    ...head.checkpoints.map(note => `checkpoint\t${JSON.stringify(note)}`),
  ]
  return lines.map(line => `${line}\n`).join('')
}

/** The last line, with a note over `endText` by the log's own key. */
export function endLine(note: string): string {
  return `end\t${JSON.stringify(note)}\n`
}

/**
 * What is signed at the end: the SHA-256 of every byte before. Its second line is no number, so that it can never be
 * taken for a checkpoint.
 */
export function endText(digest: Uint8Array, entries: number): string {
  return `valetkey evidence bundle\nsha256 ${base64(digest)}\nentries ${entries}\n`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
