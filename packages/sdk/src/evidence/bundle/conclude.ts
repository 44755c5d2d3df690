import { isConsistent, isIncluded } from '../merkle.ts'
import { nameOf } from './entry-check.ts'
import { claimsOfKeys, followedBy, forkedKeys, revokedKeys } from './followed.ts'
import type { Leaves } from './leaves.ts'
import { note, type OpenedCheckpoint, type Reading } from './reading.ts'
import { type BundleReport, MOST_FINDINGS } from './report.ts'
import { checkShipmentEntry } from './shipments.ts'
import type { VerifyTerms } from './verify.ts'

/** What is to be said once all lines were read: whether they are what was signed. */
export function conclude(reading: Reading, terms: VerifyTerms): BundleReport {
  const { about, leaves } = reading
  const newest = reading.checkpoints.reduce<OpenedCheckpoint | undefined>(
    (last, each) => (last && last.size >= each.size ? last : each),
    undefined,
  )
  if (!about) note(reading, 'malformed', null, 'The bundle does not say what it is of.')
  if (!newest) note(reading, 'unsigned', null, 'No checkpoint in it is signed by a key that is trusted.')
  else if (about?.isWhole !== false) checkWhole(reading, newest)
  else checkProven(reading, newest)
  const origin = about?.origin ?? ''
  if (!newest)
    for (const sentence of revokedKeys(reading.trust, reading.statements, origin))
      note(reading, 'unsigned', null, sentence)
  for (const sentence of forkedKeys(reading.trust, origin)) note(reading, 'forked', null, sentence)
  const checked = about?.isWhole ? checkVouched(reading) : 0
  for (const finding of reading.erasures.findings()) note(reading, 'withheld', finding, finding.sentence)
  const cosigned = newest ? checkWitnesses(reading, newest, terms) : []
  return {
    about,
    entries: reading.entries,
    checkpoint: newest ? toCheckpoint(newest, cosigned) : null,
    followed: followedBy(reading.trust, origin),
    statements: reading.statements,
    findings: reading.findings,
    missing: about?.isWhole ? reading.counters.missing(reading.prunedAt.length > 0) : [],
    erased: reading.erasures.count(),
    pruned: reading.prunedAt.length,
    shipments: checked,
    claims: [
      ...reading.checkpoints.map(({ signed: _signed, ...claim }) => ({
        ...claim,
        by: 'a signed checkpoint',
      })),
      ...reading.heads,
      ...claimsOfKeys(reading.trust, origin),
    ],
    rootsAt: sizes => leaves.roots(about?.isWhole ? sizes : [], 'computed'),
  }
}

function toCheckpoint(
  { origin, size, root, signed }: OpenedCheckpoint,
  cosigned: { name: string; at: string }[],
): BundleReport['checkpoint'] {
  const keys = signed.filter(({ name }) => name === origin).map(({ vkey }) => vkey)
  return { size, root: root.toString('base64'), keys, cosigned }
}

/** More records than a shipment can hold: behind so many there is none that names this one. */
const LONGEST_SHIPMENT = 5_000

/** What enforcement points numbered they must have signed. Gives how many shipments were checked. */
function checkVouched(reading: Reading): number {
  const { shipments, points, leaves, vouching, prunedAt, findings } = reading
  let checked = 0
  for (const shipment of shipments) {
    const { isChecked, finding } = checkShipmentEntry(shipment, { points, leaves, vouching })
    if (isChecked) checked++
    if (finding && findings.length < MOST_FINDINGS) findings.push(finding)
  }
  for (const { first, last } of vouching.left()) {
    // Its shipment stood behind it, and was pruned before it.
    if (prunedAt.some(index => index > first && index <= last + LONGEST_SHIPMENT)) continue
    // What is known to be wrong there already is why its shipment does not fit.
    if (findings.some(each => each.first !== null && each.first <= last && (each.last ?? 0) >= first))
      continue
    const what = first === last ? `record ${first}` : `the records ${first} to ${last}`
    note(reading, 'forged', { first, last }, `No enforcement point vouches for ${what}.`)
  }
  return checked
}

/** All entries are there: the tree is built anew, and must be the one of every checkpoint on the way. */
function checkWhole(reading: Reading, newest: OpenedCheckpoint): void {
  const { leaves, checkpoints } = reading
  const complete = leaves.complete()
  for (const { first, last } of gapsIn(leaves, newest.size)) {
    const isTail = last === newest.size - 1 && first === complete
    const what = first === last ? `Record ${first} is` : `Records ${first} to ${last} are`
    if (isTail)
      note(
        reading,
        'cut',
        { first, last },
        `The log is cut: ${what.replace(/^R/, 'r')} vouched for by the checkpoint of ${newest.size} entries, and not there.`,
      )
    else note(reading, 'dropped', { first, last }, `${what} not there.`)
  }
  if (reading.highest >= newest.size)
    note(
      reading,
      'unsigned',
      { first: newest.size, last: reading.highest },
      `No checkpoint vouches for what stands behind record ${newest.size - 1}.`,
    )
  const sizes = checkpoints.map(({ size }) => size)
  const computed = leaves.roots(sizes, 'computed')
  const stated = leaves.isRestated() ? leaves.roots(sizes, 'stated') : computed
  let good = 0
  for (const { size, root } of checkpoints.toSorted((a, b) => a.size - b.size)) {
    const found = computed.get(size)
    if (found?.equals(root)) good = size
    // Where what stands beside changed records fits the tree, those records are all that was changed.
    else if (found && !stated.get(size)?.equals(root))
      note(
        reading,
        'altered',
        { first: good, last: size - 1 },
        `Between record ${good} and record ${size - 1} the log is another one than was signed.`,
      )
    if (found && !found.equals(root)) break
  }
}

function* gapsIn(leaves: Leaves, size: number): Generator<{ first: number; last: number }> {
  let first: number | undefined
  for (let index = leaves.complete(); index < size; index++) {
    const isThere = leaves.at(index) !== undefined
    if (!isThere) first ??= index
    else if (first !== undefined) {
      yield { first, last: index - 1 }
      first = undefined
    }
  }
  if (first !== undefined) yield { first, last: size - 1 }
}

/** Some entries are there, each with a proof; and older checkpoints with proofs that the log went on from them. */
function checkProven(reading: Reading, newest: OpenedCheckpoint): void {
  const { proven, consistent, checkpoints } = reading
  for (const { entry, proof } of proven) {
    const at = { index: entry.index, size: newest.size }
    if (!isIncluded(entry.stated ?? entry.hash, at, proof, newest.root))
      note(
        reading,
        'changed',
        { first: entry.index, last: entry.index },
        `${nameOf(entry.index, entry.leaf)} is not the one that the log holds, or its proof was changed.`,
      )
  }
  if (proven.length < reading.entries) note(reading, 'malformed', null, 'A record comes without its proof.')
  for (const older of checkpoints) {
    if (older === newest) continue
    const proofs = consistent.filter(({ from, size }) => from === older.size && size === newest.size)
    const holds = [...proofs, ...(older.size === newest.size ? [{ proof: [] }] : [])]
    if (!holds.some(({ proof }) => isConsistent(older, newest, proof)))
      note(
        reading,
        'forked',
        null,
        `It is not proved that the log of ${newest.size} entries goes on from that of ${older.size}.`,
      )
  }
}

function checkWitnesses(reading: Reading, newest: OpenedCheckpoint, terms: VerifyTerms) {
  const { cosigned, lack } = cosignedBy(newest.signed, terms)
  if (lack !== null) note(reading, 'unsigned', null, lack)
  return cosigned
}

/** Which of the witnesses that are asked for have signed; and what is to be said where they are too few. */
export function cosignedBy(
  signed: OpenedCheckpoint['signed'],
  { witnesses = [], quorum = witnesses.length > 0 ? 1 : 0 }: Omit<VerifyTerms, 'trust'>,
): { cosigned: { name: string; at: string }[]; lack: string | null } {
  const theirs = signed.filter(({ vkey }) => witnesses.some(each => each.vkey === vkey))
  return {
    cosigned: theirs.map(({ name, seconds }) => ({
      name,
      at: new Date((seconds ?? 0) * 1000).toISOString(),
    })),
    lack:
      theirs.length < quorum
        ? `${theirs.length} of the ${quorum} witnesses that are asked for have cosigned the newest checkpoint.`
        : null,
  }
}
