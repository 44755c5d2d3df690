/**
 * A second verifier for evidence that Valet Key exports, written from docs/evidence.md: it shares no code with the product.
 *
 *   node examples/verify/verify.ts northwind.evidence --key 'auth.example.com/log/*+BASE64KEY'
 *
 * Ends with 0 where everything holds, with 1 where something does not, which it names.
 */
import crypto, { type JsonWebKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'

type Hash = Buffer
type Entry = { index: number; hash: Hash; leaf: string; key: string; data: string; proof: Hash[] | null }
/** A run of entries, as first and count; or the hash of one that is not in the log. */
type Place = string | [number, number]
type Checkpoint = { origin: string; size: number; root: Hash }
const sha256 = (...parts: (string | Uint8Array)[]): Hash =>
  crypto.hash('sha256', Buffer.concat(parts.map(part => Buffer.from(part))), 'buffer')
const base64 = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new Error(`"${text.slice(0, 60)}" is no base64`)
  return bytes
}

const node = (left: Hash, right: Hash): Hash => sha256(Uint8Array.of(1), left, right)

/** The largest power of two below n. */
const split = (n: number): number => 2 ** Math.ceil(Math.log2(n) - 1)

/** MTH(D[from:to]); what was computed for one checkpoint serves the next. */
function rootOf(leaves: Hash[], from: number, to: number, known: Map<string, Hash>): Hash {
  if (to - from < 2) return to === from ? sha256() : (leaves[from] as Hash)
  const [name, middle] = [`${from} ${to}`, from + split(to - from)]
  const root = known.get(name) ?? node(rootOf(leaves, from, middle, known), rootOf(leaves, middle, to, known))
  known.set(name, root)
  return root
}

/** PATH(m, D[n]) read backwards: the root that a leaf and its path lead to. */
function rootByPath(leaf: Hash, index: number, size: number, path: Hash[]): Hash {
  if (index < 0 || index >= size) throw new Error('there is no such entry')
  const top = path.at(-1)
  if (size === 1 && !top) return leaf
  if (size === 1 || !top) throw new Error('the proof has another length')
  const [k, rest] = [split(size), path.slice(0, -1)]
  return index < k
    ? node(rootByPath(leaf, index, k, rest), top)
    : node(top, rootByPath(leaf, index - k, size - k, rest))
}

/** PROOF(m, D[n]) read backwards: the two roots that a consistency proof leads to. */
function rootsByProof(m: number, n: number, proof: Hash[], old: Hash, isWhole: boolean): [Hash, Hash] {
  const last = proof.at(-1)
  if (m === n && isWhole && !last) return [old, old]
  if (!last || (m === n && (isWhole || proof.length > 1))) throw new Error('the proof has another length')
  if (m === n) return [last, last]
  const [k, rest] = [split(n), proof.slice(0, -1)]
  if (m <= k) {
    const [before, after] = rootsByProof(m, k, rest, old, isWhole)
    return [before, node(after, last)]
  }
  const [before, after] = rootsByProof(m - k, n - k, rest, old, false)
  return [node(last, before), node(last, after)]
}

/** Keys and notes are those of C2SP signed-note. */
const ed25519 = (raw: Buffer): KeyObject =>
  crypto.createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }, format: 'jwk' })

/** The trusted public keys for a log, from `name+id+key` or `prefix/*+key`, and those that statements lead to. */
function keysFor(origin: string, trusted: string[], notes: string[]): string[] {
  const given = trusted.flatMap(line => {
    const [, prefix, any = ''] = /^(\S+\/)\*\+(\S+)$/.exec(line) ?? []
    if (prefix !== undefined) return origin.startsWith(prefix) ? [any] : []
    const [, name, key = ''] = /^(\S+?)\+[0-9a-f]{8}\+(\S+)$/.exec(line) ?? []
    return name === origin && base64(key)[0] === 1 ? [base64(key).subarray(1).toString('base64')] : []
  })
  const kept = trusted.flatMap(line => base64(/^statement (\S+)$/.exec(line)?.[1] ?? '').toString() || [])
  const said = [...kept, ...notes].flatMap(note => {
    const [title, scope = '', key = '', ...links] = note.slice(0, note.indexOf('\n\n')).split('\n')
    const [follows, revokes] = ['follows ', 'revokes '].map(verb =>
      links.filter(line => line.startsWith(verb)).map(line => line.slice(8)),
    ) as [string[], string[]]
    const isSigned = [key, ...follows].every(each => openNote(note, scope, [each]) !== undefined)
    if (title !== 'valetkey log key' || !isSigned) throw new Error('no key has signed what is said of it')
    return origin.startsWith(scope.slice(0, -1)) ? [{ key, follows: follows[0], revokes }] : []
  })
  // Of two keys that follow the same one, neither is trusted.
  const links = said.filter(one => said.every(each => each.follows !== one.follows || each.key === one.key))
  const reach = (gone: string[]) => {
    const keys = new Set(given.filter(key => !gone.includes(key)))
    for (const _ of links)
      for (const { key, follows = '' } of links) if (keys.has(follows) && !gone.includes(key)) keys.add(key)
    return keys
  }
  return [...reach(said.flatMap(({ key, revokes }) => (reach([]).has(key) ? revokes : [])))]
}

/** The text of a note, if one of the keys has signed it under this name; undefined where none of them is there. */
function openNote(note: string, name: string, keys: string[]): string | undefined {
  const at = note.lastIndexOf('\n\n')
  const text = note.slice(0, at + 1)
  let isTrusted = false
  for (const line of note.slice(at + 2).split('\n')) {
    const [, signer, blob] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? []
    if (signer !== name || blob === undefined) continue
    const bytes = base64(blob)
    for (const key of keys.map(base64)) {
      const id = sha256(`${name}\n`, Uint8Array.of(1), key).subarray(0, 4)
      if (!id.equals(bytes.subarray(0, 4))) continue
      if (!crypto.verify(null, Buffer.from(text), ed25519(key), bytes.subarray(4)))
        throw new Error(`the signature of ${name} does not hold`)
      isTrusted = true
    }
  }
  return isTrusted ? text : undefined
}

function readCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = ''] = text.split('\n')
  return { origin, size: Number.parseInt(size, 10), root: base64(root) }
}

function readEntry(fields: string[]): Entry {
  const [, index = '', hash = '', leaf = '', key = '', data = '', proof] = fields
  if (!/^\d+$/.test(index) || fields.length > 7) throw new Error('malformed')
  const hashes = proof === undefined ? null : proof.split(' ').filter(Boolean).map(base64)
  return { index: Number(index), hash: base64(hash), leaf, key, data, proof: hashes }
}

/** What is wrong with an entry by itself. */
function faultOf({ hash, leaf, key, data }: Entry): string | undefined {
  if (leaf === '') return key === '' && data === '' ? undefined : 'has data and no text'
  if (!sha256(Uint8Array.of(0), leaf).equals(hash)) return 'has another text than its hash says'
  const { commitment } = JSON.parse(leaf) as { commitment?: string }
  if (key === '' && data === '') return undefined
  const bytes = Buffer.from(key, 'base64url')
  if (bytes.toString('base64url') !== key) return 'has a damaged key'
  const hmac = crypto.createHmac('sha256', bytes).update(data).digest('base64url')
  return hmac === commitment ? undefined : 'commits to other data'
}

/** Whether a point signed the records that its shipment names; the ways in which it did not. */
function shipmentFault(
  leaf: Record<string, unknown>,
  leaves: Hash[],
  points: Map<string, JsonWebKey>,
): string | undefined {
  const { point, epoch, first, last, count, digest, signature, organization = '-', places } = leaf
  const jwk = points.get(String(point))
  if (!jwk) return 'comes from a point whose key is not here'
  const text = `valetkey shipment 1\n${point}\n${epoch}\n${organization}\n${first}-${last}\n${count}\n${digest}\n`
  const key = crypto.createPublicKey({ key: jwk, format: 'jwk' })
  const hash = jwk.kty === 'EC' ? 'sha256' : null
  const bytes = Buffer.from(String(signature), 'base64url')
  if (!crypto.verify(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }, bytes))
    return 'is not signed by its point'
  if (!Array.isArray(places)) return undefined
  const hashes = (places as Place[]).flatMap(at =>
    typeof at === 'string' ? Buffer.from(at, 'base64url') : leaves.slice(at[0], at[0] + at[1]),
  )
  if (hashes.length === count && sha256(...hashes).toString('base64url') === digest) return undefined
  return `names records ${JSON.stringify(places)}, which are not those that its point signed`
}

function indexesIn(places: Place[] = []): number[] {
  return places.flatMap(place =>
    typeof place === 'string' ? [] : Array.from({ length: place[1] }, (_, i) => place[0] + i),
  )
}

/** A proof that cannot be followed to its end proves nothing. */
function holds(claim: () => boolean): boolean {
  try {
    return claim()
  } catch {
    return false
  }
}

/** Verifies a bundle; gives what does not hold, and nothing where all of it does. */
export function verifyBundle(bytes: Buffer, trusted: string[]): string[] {
  try {
    return faultsOf(bytes, trusted)
  } catch (error) {
    return [`The bundle cannot be read: ${error instanceof Error ? error.message : error}.`]
  }
}

function faultsOf(bytes: Buffer, trusted: string[]): string[] {
  const faults: string[] = []
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  const lines = text.split('\n')
  const end = lines.at(-2)?.split('\t') ?? []
  if (lines[0] !== 'valetkey-evidence\t1') return ['This is no evidence bundle.']
  if (lines.at(-1) !== '' || end[0] !== 'end') return ['The bundle has no end.']
  const fieldsOf = (kind: string) =>
    lines
      .slice(1, -2)
      .map(line => line.split('\t'))
      .filter(([first]) => first === kind)
  const about = JSON.parse(fieldsOf('about')[0]?.[1] ?? '{}') as { origin: string; isWhole: boolean }
  const statements = fieldsOf('statement').map(([, note = '""']) => JSON.parse(note) as string)
  const keys = keysFor(about.origin, trusted, statements)

  const body = bytes.subarray(0, bytes.lastIndexOf('\nend\t') + 1)
  const rows = fieldsOf('entry')
  const signed = openNote(JSON.parse(end[1] ?? '""'), about.origin, keys)
  if (
    signed !== `valetkey evidence bundle\nsha256 ${sha256(body).toString('base64')}\nentries ${rows.length}\n`
  )
    faults.push('The bundle is not as it was signed, or signed by no key that is trusted.')

  const leaves: Hash[] = []
  const entries: Entry[] = []
  let before = -1
  for (const fields of rows)
    try {
      const entry = readEntry(fields)
      const fault = faultOf(entry)
      if (fault) faults.push(`Record ${entry.index} ${fault}.`)
      if (about.isWhole ? entry.index !== before + 1 : entry.index <= before)
        faults.push(`Record ${entry.index} follows record ${before}.`)
      before = entry.index
      if (!fault) entries.push(entry)
      if (about.isWhole) leaves.push(entry.leaf === '' ? entry.hash : sha256(Uint8Array.of(0), entry.leaf))
    } catch {
      faults.push(`The line of record ${fields[1]} is damaged.`)
    }

  const checkpoints = fieldsOf('checkpoint').flatMap(([, note = '""']) => {
    const opened = openNote(JSON.parse(note), about.origin, keys)
    const read = opened === undefined ? [] : [readCheckpoint(opened)]
    return read.filter(({ origin }) => origin === about.origin)
  })
  const newest = checkpoints.toSorted((a, b) => a.size - b.size).at(-1)
  if (!newest) return [...faults, 'No checkpoint is signed by a key that is trusted.']
  return [...faults, ...(about.isWhole ? wholeFaults() : partFaults())]

  /** The whole log: its tree must have been that of every checkpoint. */
  function wholeFaults(): string[] {
    const found: string[] = []
    const recorded: Place[] = []
    if (leaves.length !== newest?.size)
      found.push(`${newest?.size} records are signed, ${leaves.length} are here.`)
    const known = new Map<string, Hash>()
    for (const { size, root } of checkpoints)
      if (size > leaves.length || !rootOf(leaves, 0, size, known).equals(root))
        found.push(`The first ${size} records are not those that were signed.`)
    const points = new Map(fieldsOf('point').map(([, id = '', jwk = '{}']) => [id, JSON.parse(jwk)]))
    const erased = new Set<number>()
    /** Records of a point that no shipment of this point has named yet. */
    const unsigned = new Map<number, unknown>()
    for (const { index, leaf, data } of entries) {
      if (leaf === '') continue
      const { type, commitment, writer, point, places, ...rest } = JSON.parse(leaf)
      if (commitment !== undefined && data === '') erased.add(index)
      if (writer || /^(attempt|outcome)$/.test(type)) unsigned.set(index, writer?.point ?? null)
      if (type === 'evidence.erased' && data !== '') recorded.push(...JSON.parse(data).detail.places)
      if (type !== 'shipment') continue
      const fault = shipmentFault({ ...rest, point, places }, leaves, points)
      if (fault) found.push(`Shipment ${index} ${fault}.`)
      else for (const i of indexesIn(places)) if (unsigned.get(i) === point) unsigned.delete(i)
    }
    for (const index of indexesIn(recorded)) erased.delete(index)
    for (const index of erased)
      found.push(`What record ${index} commits to was taken away, and no erasure is on record.`)
    // Where old records were pruned, so were the shipments that named them.
    if (entries.every(({ leaf }) => leaf !== ''))
      for (const index of unsigned.keys()) found.push(`No point has signed record ${index}.`)
    return found
  }

  /** Some records: each with its path, and older checkpoints with proofs that the log only grew. */
  function partFaults(): string[] {
    const found: string[] = []
    const { size: n, root: top } = newest as Checkpoint
    for (const { index, hash, proof } of entries)
      if (!holds(() => rootByPath(hash, index, n, proof as Hash[]).equals(top)))
        found.push(`Record ${index} is not proved to be in the log.`)
    const proofs = new Map(fieldsOf('consistency').map(([, from, , proof = '']) => [Number(from), proof]))
    for (const { size: m, root: old } of checkpoints) {
      const path = (proofs.get(m) ?? '').split(' ').filter(Boolean)
      const isGrown = () => {
        const [first, second] = rootsByProof(m, n, path.map(base64), old, true)
        return first.equals(old) && second.equals(top)
      }
      if (!holds(isGrown)) found.push(`The log of ${n} records is not proved to go on from that of ${m}.`)
    }
    return found
  }
}

if (import.meta.main) {
  const [file = '', flag, ...keys] = process.argv.slice(2)
  if (flag !== '--key') throw new Error('Usage: node verify.ts FILE --key KEY…')
  const faults = verifyBundle(readFileSync(file), keys.join('\n').split('\n'))
  console.log(faults.map(fault => `✗ ${fault}`).join('\n') || `✓ ${file} is what was signed.`)
  process.exit(faults.length === 0 ? 0 : 1)
}
