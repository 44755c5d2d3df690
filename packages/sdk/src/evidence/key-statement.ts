import { AppError } from '../core/index.ts'
import { type Checkpoint, checkpointText, parseCheckpoint } from './checkpoint.ts'
import { createNoteSigner, createNoteVerifier, openNote, partNote, publicKeyOf, signNote } from './note.ts'

/**
 * What a new key of the logs comes with. The key before it vouches for it, so that whoever knows only that one can go on;
 * or the new key alone takes others back, which were stolen and vouch for nothing any more.
 */
export interface KeyStatement {
  /** It is about all logs whose names begin so: `auth.example.com/log/`. */
  prefix: string
  /** The new public key. */
  key: Buffer
  /** The key that vouches for it; null where none does. */
  follows: Buffer | null
  revokes: readonly Buffer[]
  /** The log of the environment as it stood then: who makes up a statement needs another history of that log, too. */
  at: Checkpoint
  /** As it was signed. */
  note: string
}

const TITLE = 'valetkey log key'
/** More keys than any log will have. */
const MOST_REVOKED = 1_000

/** Signs a statement with the new key and, where it follows one, with that: so neither can name a key that is another's. */
export function signKeyStatement(
  statement: Pick<KeyStatement, 'prefix' | 'at'> & { revokes?: readonly Buffer[] },
  seeds: { key: Buffer; follows?: Buffer },
): string {
  const { prefix, at, revokes = [] } = statement
  const signers = [seeds.key, ...(seeds.follows ? [seeds.follows] : [])]
  const lines = [
    ...[TITLE, `${prefix}*`, publicKeyOf(seeds.key).toString('base64')],
    ...(seeds.follows ? [`follows ${publicKeyOf(seeds.follows).toString('base64')}`] : []),
    ...revokes.map(key => `revokes ${key.toString('base64')}`),
  ]
  const text = `${lines.join('\n')}\n${checkpointText(at)}`
  return signNote(
    text,
    signers.map(seed => createNoteSigner(`${prefix}*`, 'ed25519', seed)),
  )
}

/**
 * Reads a statement. Its signatures hold when it is given back; whether its keys mean anything, `Trust` says. Its second
 * line is no number, so none can be taken for a checkpoint, nor a checkpoint for one. Throws `evidence.invalid`.
 */
export function readKeyStatement(note: string): KeyStatement {
  const { text } = partNote(note)
  const [title, scope = '', key = '', ...rest] = text.slice(0, -1).split('\n')
  const [, prefix] = /^([^+\s]+\/)\*$/.exec(scope) ?? []
  const links = rest.slice(0, -3).map(line => /^(follows|revokes) (\S+)$/.exec(line) ?? [])
  const follows = links.flatMap(([, verb, key = ''], i) =>
    verb === 'follows' && i === 0 ? [readKey(key)] : [],
  )
  const revokes = links.slice(follows.length).map(([, verb, key = '']) => {
    if (verb !== 'revokes') throw invalid()
    return readKey(key)
  })
  if (title !== TITLE || prefix === undefined || links.length === 0 || revokes.length > MOST_REVOKED)
    throw invalid()
  const statement = { prefix, key: readKey(key), follows: follows[0] ?? null, revokes, note }
  const verifiers = [statement.key, ...follows].map(each => createNoteVerifier(scope, 'ed25519', each))
  const { signed } = openNote(note, verifiers)
  const hasSigned = (vkey: string) => signed.some(each => each.vkey === vkey)
  if (!verifiers.every(({ vkey }) => hasSigned(vkey)))
    throw new AppError('evidence.invalid', 'A statement about a key of the log is not signed by its keys.')
  return { ...statement, at: parseCheckpoint(`${rest.slice(-3).join('\n')}\n`) }
}

function readKey(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== 32 || bytes.toString('base64') !== text) throw invalid()
  return bytes
}

function invalid(): AppError {
  return new AppError('evidence.invalid', 'This is no statement about a key of the logs.')
}

const LINE = /^statement ([A-Za-z0-9+/]+={0,2})$/

/** A statement as one line among the keys that somebody is told to trust; undefined where the line is another. */
export function statementLine(note: string): string {
  return `statement ${Buffer.from(note).toString('base64')}`
}

export function readStatementLine(line: string): KeyStatement | undefined {
  const [, encoded] = LINE.exec(line.trim()) ?? []
  return encoded === undefined ? undefined : readKeyStatement(Buffer.from(encoded, 'base64').toString('utf8'))
}
