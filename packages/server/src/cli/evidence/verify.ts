import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { JsonObject } from '@valetkey/sdk/core'
import {
  type BundleReport,
  type Claim,
  checkReceipt,
  claimsOfKeys,
  compareWithClaims,
  cosignedBy,
  createBundleVerifier,
  type Finding,
  type FollowedKey,
  followedBy,
  forkedKeys,
  type KeyStatement,
  leafHash,
  openNote,
  parseCheckpoint,
  parseReceipt,
  parseTrust,
  parseVkey,
  partNote,
  type VerifyTerms,
} from '@valetkey/sdk/evidence'
import type { Command } from 'commander'
import { addCommand, collectWhole, wholeNumber, withPrinter } from '../session.ts'
import { EXIT, type Io, type Printer, printable, UsageError, type View } from '../terminal/index.ts'

interface Options {
  key: string[]
  keyFile?: string
  witness: string[]
  quorum?: number
  checkpoint: string[]
}

/** What was found out about one file. */
export interface Verified {
  file: string
  kind: 'bundle' | 'receipt'
  origin: string | null
  records: number
  signedBy: string[]
  /** Keys that were trusted because one before them vouches for them. */
  followed: FollowedKey[]
  cosigned: { name: string; at: string }[]
  findings: Finding[]
  missing: BundleReport['missing']
  erased: number
  pruned: number
  shipments: number
  holds: boolean
}

const view: View<Verified> = {
  kind: 'VerifiedEvidence',
  name: ({ file }) => file,
  columns: [
    { header: 'FILE', value: ({ file }) => file },
    { header: 'HOLDS', value: ({ holds }) => (holds ? 'yes' : 'no') },
    { header: 'RECORDS', value: ({ records }) => String(records) },
    { header: 'LOG', value: ({ origin }) => origin ?? '' },
    { header: 'FINDINGS', value: ({ findings }) => findings.map(({ sentence }) => sentence).join(' ') },
  ],
}

/** Adds `valetkey audit verify`, which needs no authority. */
export function addVerify(group: Command, io: Io): void {
  addCommand(group, 'verify <files...>', {
    summary:
      'Hold exported evidence or receipts against public keys, offline; ends with 8 where it does not hold',
    examples: [
      [
        'valetkey audit verify northwind.evidence --key-file northwind.keys',
        'names every record that was bent',
      ],
      ['valetkey audit verify dec_01m80.tlog-proof --key-file northwind.keys', 'one record, by its receipt'],
    ],
  })
    .option('--key <key>', 'a key of the log, as "audit key ls" gives it; several times', collectWhole, [])
    .option('--key-file <file>', 'file with such keys, one a line')
    .option('--witness <key>', 'a witness whose signature is asked for; several times', collectWhole, [])
    .option('--quorum <count>', 'how many of the witnesses must have signed; else one', wholeNumber)
    .option('--checkpoint <file>', 'a checkpoint that was kept; several times', collectWhole, [])
    .action(withPrinter(io, (print, files: string[], options: Options) => verify(io, print, files, options)))
}

async function verify(io: Io, print: Printer, files: string[], options: Options): Promise<void> {
  const terms = await readTerms(io, options)
  const kept = await Promise.all(options.checkpoint.map(file => readCheckpoint(io, file, terms)))
  const read = await Promise.all(files.map(file => verifyFile(io, file, terms)))
  const claims = [...kept.flat(), ...read.flatMap(({ claims }) => claims)]
  // What one file says of the keys may be another thing than what a second one says.
  const all = terms.trust.with(read.flatMap(({ statements }) => statements))
  const verified = read.map(({ verified, report }) => {
    if (report) verified.findings.push(...compareWithClaims(report, claims))
    for (const sentence of forkedKeys(all, verified.origin ?? ''))
      if (!verified.findings.some(each => each.sentence === sentence))
        verified.findings.push(findingOf('forked', sentence))
    verified.holds = verified.findings.length === 0
    return verified
  })
  if (print.human) for (const each of verified) print.say(toLines(each).map(printable).join('\n'))
  else print.list(view, verified)
  if (verified.some(({ holds }) => !holds)) io.exitCode = EXIT.integrity
}

async function readTerms(io: Io, options: Options): Promise<VerifyTerms> {
  const inFile = options.keyFile === undefined ? [] : await readLines(io, options.keyFile)
  const keys = [...options.key, ...inFile]
  if (keys.length === 0)
    throw new UsageError(
      'No key is trusted.',
      'Evidence proves nothing by keys that come with it.',
      'Name the key of the log: --key or --key-file, as "valetkey audit key ls" gave it to you.',
    )
  const witnesses = options.witness.map(parseVkey)
  return {
    ...{ trust: parseTrust(keys), witnesses },
    ...(options.quorum !== undefined && { quorum: options.quorum }),
  }
}

async function readLines({ cwd }: Io, file: string): Promise<string[]> {
  const text = await readFile(resolve(cwd, file), 'utf8')
  return text.split('\n').filter(line => line.trim() !== '' && !line.startsWith('#'))
}

/** A checkpoint that somebody kept, as what it claims; it has to be signed as well. */
async function readCheckpoint({ cwd }: Io, file: string, { trust }: VerifyTerms): Promise<Claim[]> {
  const text = await readFile(resolve(cwd, file), 'utf8')
  const checkpoint = parseCheckpoint(partNote(text).text)
  openNote(text, trust(checkpoint.origin))
  return [{ ...checkpoint, by: `the checkpoint in ${file}` }]
}

interface Read {
  verified: Verified
  report?: BundleReport
  claims: Claim[]
  statements: readonly KeyStatement[]
}

const RECEIPT = 'c2sp.org/tlog-proof@'

async function verifyFile({ cwd }: Io, file: string, terms: VerifyTerms): Promise<Read> {
  const path = resolve(cwd, file)
  const verifier = createBundleVerifier(terms)
  let isFirst = true
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    if (isFirst && chunk.toString('latin1', 0, RECEIPT.length) === RECEIPT)
      return verifyReceipt(file, await readFile(path, 'utf8'), terms)
    verifier.push(chunk)
    isFirst = false
  }
  const report = verifier.end()
  const { about, checkpoint, entries, findings, missing, erased, pruned, shipments } = report
  const verified: Verified = {
    ...{ file, kind: 'bundle', origin: about?.origin ?? null, records: entries },
    ...{ signedBy: checkpoint?.keys ?? [], cosigned: checkpoint?.cosigned ?? [], followed: report.followed },
    ...{ missing, erased, pruned, shipments, holds: false },
    // What is wrong with one record says more than that something is.
    findings: findings.toSorted((a, b) => Number(a.first === null) - Number(b.first === null)),
  }
  return {
    verified,
    report,
    statements: report.statements,
    claims: saidIn(file, report.claims),
  }
}

function saidIn(what: string, claims: readonly Claim[]): Claim[] {
  return claims.map(claim => ({ ...claim, by: `${claim.by} in ${what}` }))
}

function verifyReceipt(file: string, text: string, terms: VerifyTerms): Read {
  const verified: Verified = {
    ...{ file, kind: 'receipt', origin: null, records: 1, signedBy: [], cosigned: [], followed: [] },
    ...{ missing: [], erased: 0, pruned: 0, shipments: 0, holds: false, findings: [] },
  }
  const statements: KeyStatement[] = []
  try {
    const receipt = parseReceipt(text)
    statements.push(...receipt.statements)
    verified.origin = parseCheckpoint(partNote(receipt.checkpoint).text).origin
    const { claims, proved, ...found } = checkOne(receipt, verified.origin, terms)
    Object.assign(verified, found, { file: `${file}: ${proved}` })
    return { verified, statements, claims: saidIn(`the receipt ${file}`, claims) }
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error)
    verified.findings.push(findingOf('malformed', sentence))
    return { verified, statements, claims: [] }
  }
}

function checkOne(receipt: ReturnType<typeof parseReceipt>, origin: string, terms: VerifyTerms) {
  const trust = terms.trust.with(receipt.statements)
  const known = trust(origin)
  const { signed: by, ...checkpoint } = checkReceipt(receipt, leafHash(receipt.entry), known)
  const { type, id, at } = JSON.parse(receipt.entry) as JsonObject
  const { signed } = openNote(receipt.checkpoint, [...known, ...(terms.witnesses ?? [])])
  const { cosigned, lack } = cosignedBy(signed, terms)
  return {
    ...{ cosigned, followed: followedBy(trust, origin), signedBy: by.map(({ vkey }) => vkey) },
    findings: lack === null ? [] : [findingOf('unsigned', lack)],
    proved: `${type} ${id} of ${at} is record ${receipt.index} of ${checkpoint.size}`,
    claims: [{ ...checkpoint, by: 'a signed checkpoint' }, ...claimsOfKeys(trust, origin)],
  }
}

function findingOf(kind: Finding['kind'], sentence: string): Finding {
  return { kind, first: null, last: null, id: null, sentence }
}

/** What people read: the verdict, whose word it rests on, what is missing, what does not hold. */
function toLines(verified: Verified): string[] {
  const { file, kind, origin, records, signedBy, cosigned, findings, missing, holds, followed } = verified
  const { erased, pruned, shipments } = verified
  const what = kind === 'receipt' ? `in ${origin}` : `${count(records, 'record')} of ${origin}, as signed`
  const many = `${count(findings.length, 'thing')} ${findings.length === 1 ? 'does' : 'do'} not hold`
  const notes = [
    ...(shipments > 0 ? [`${count(shipments, 'shipment')} as the enforcement points signed them`] : []),
    ...(erased > 0 ? [`${count(erased, 'record')} without what was erased`] : []),
    ...(pruned > 0 ? [`${count(pruned, 'record')} of which the hash was kept`] : []),
  ]
  return [
    holds ? `✓ ${file}: ${what}` : `✗ ${file}: ${many}`,
    ...findings.slice(0, 20).map(({ kind, sentence }) => `    ${kind.padEnd(10)} ${sentence}`),
    ...(findings.length > 20 ? [`    … and ${findings.length - 20} more; --json names them`] : []),
    ...signedBy.map(key => `    signed by  ${key}`),
    ...followed.map(({ key, follows }) => `    trusts     ${key}, for which ${follows} vouches`),
    ...cosigned.map(({ name, at }) => `    seen by    ${name} at ${at}`),
    ...(notes.length > 0 ? [`    with       ${notes.join('; ')}`] : []),
    ...missing
      .slice(0, 20)
      .map(
        ({ point, epoch, counter }) =>
          `    missing    record ${counter} of start ${epoch} of ${point} never arrived`,
      ),
    ...(missing.length > 20 ? [`    missing    … and ${missing.length - 20} more; --json names them`] : []),
  ]
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`
}
