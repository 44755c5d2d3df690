import { isUtf8 } from 'node:buffer'
import { AppError } from '../core/index.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { type KeyStatement, readStatementLine, statementLine } from './key-statement.ts'
import { isIncluded } from './merkle.ts'
import { type NoteVerifier, openNote } from './note.ts'

const HEAD = 'c2sp.org/tlog-proof@v1'

/** Proves that one entry is in a log, to whoever knows a key of the log (C2SP tlog-proof). */
export interface Receipt {
  index: number
  /** From the leaf to the root. */
  proof: readonly Buffer[]
  /** The signed checkpoint of a tree that holds the entry. */
  checkpoint: string
  /** The entry itself, so that whoever holds nothing else can read what is proved; empty where it was pruned. */
  entry: string
  /** Which key of the log follows which. */
  statements: readonly Pick<KeyStatement, 'note'>[]
}

export function writeReceipt({ index, proof, checkpoint, entry, statements }: Receipt): string {
  // What is canonical JSON has no line ends in it.
  const extra = [entry, ...statements.map(({ note }) => statementLine(note))].join('\n')
  const lines = [
    ...[HEAD, ...(extra === '' ? [] : [`extra ${Buffer.from(extra).toString('base64')}`])],
    ...[`index ${index}`, ...proof.map(hash => hash.toString('base64'))],
  ]
  return `${lines.join('\n')}\n\n${checkpoint}`
}

/** More keys than any log will have; each costs signatures to check. */
const MOST_STATEMENTS = 1_000

export function parseReceipt(text: string): Receipt & { statements: readonly KeyStatement[] } {
  const end = text.indexOf('\n\n')
  const lines = text.slice(0, end).split('\n')
  const [head] = lines
  const extra = /^extra (.+)$/.exec(lines[1] ?? '')?.[1]
  const [, index] = /^index (0|[1-9]\d{0,15})$/.exec(lines[extra === undefined ? 1 : 2] ?? '') ?? []
  if (end === -1 || head !== HEAD || index === undefined)
    throw new AppError('evidence.invalid', 'This is no receipt of a log (c2sp.org/tlog-proof@v1).')
  const proof = lines.slice(extra === undefined ? 2 : 3).map(readHash)
  return { index: Number(index), proof, checkpoint: text.slice(end + 2), ...readExtra(extra ?? '') }
}

function readExtra(extra: string): { entry: string; statements: KeyStatement[] } {
  const bytes = Buffer.from(extra, 'base64')
  const [entry = '', ...lines] = bytes.toString('utf8').split('\n')
  const statements = lines.slice(0, MOST_STATEMENTS).flatMap(line => readStatementLine(line) ?? [])
  if (bytes.toString('base64') !== extra || !isUtf8(bytes) || statements.length !== lines.length)
    throw new AppError('evidence.invalid', 'What lies beside the proof in the receipt is malformed.')
  return { entry, statements }
}

/** Checks that an entry, by its leaf hash, is in the log; `known` are the keys that are trusted. Throws `evidence.invalid`. */
export function checkReceipt(
  receipt: Pick<Receipt, 'index' | 'proof' | 'checkpoint'>,
  leaf: Uint8Array,
  known: readonly NoteVerifier[],
): Checkpoint & { signed: ReturnType<typeof openNote>['signed'] } {
  const { text, signed } = openNote(receipt.checkpoint, known)
  const checkpoint = parseCheckpoint(text)
  // One key may sign many logs, and a signature does not say under which name it was made.
  if (!signed.some(({ name }) => name === checkpoint.origin))
    throw new AppError('evidence.invalid', `No key of ${checkpoint.origin} that is trusted here has signed.`)
  const at = { index: receipt.index, size: checkpoint.size }
  if (!isIncluded(leaf, at, receipt.proof, checkpoint.root))
    throw new AppError('evidence.invalid', `Entry ${receipt.index} of the log is another one than this.`)
  return { ...checkpoint, signed }
}

function readHash(line: string): Buffer {
  const bytes = Buffer.from(line, 'base64')
  if (bytes.length !== 32 || bytes.toString('base64') !== line)
    throw new AppError('evidence.invalid', 'A hash of the receipt is malformed.')
  return bytes
}
