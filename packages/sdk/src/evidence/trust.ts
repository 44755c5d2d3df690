import { type KeyStatement, readStatementLine } from './key-statement.ts'
import { createNoteVerifier, type NoteVerifier, parseVkey } from './note.ts'

/** The keys that are trusted for a log: those that were given, and those that they lead to. */
export interface Trust {
  (origin: string): NoteVerifier[]
  /** The same, knowing what the authority says of its keys, too: a statement counts only as much as the keys under it. */
  with(statements: readonly KeyStatement[]): Trust
  /** By which statements keys of a log are trusted that were not given. */
  followed(origin: string): KeyStatement[]
  /** Where one key has two successors: nothing is trusted by either, since one of them is a thief's. */
  forks(origin: string): KeyStatement[]
}

/**
 * Reads whose logs are trusted: one by its key, or, as `auth.example.com/log/*+KEY`, all that lie below a name under one
 * key. Lines that begin with `statement` say which key follows which.
 */
export function parseTrust(lines: readonly string[]): Trust {
  const exact: NoteVerifier[] = []
  const below: { prefix: string; key: Buffer }[] = []
  const statements: KeyStatement[] = []
  for (const line of lines) {
    const statement = readStatementLine(line)
    const [, prefix, key] = /^([^+\s]+\/)\*\+([A-Za-z0-9+/]{43}=)$/.exec(line.trim()) ?? []
    if (statement) statements.push(statement)
    else if (prefix === undefined || key === undefined) exact.push(parseVkey(line))
    else below.push({ prefix, key: Buffer.from(key, 'base64') })
  }
  const given = (origin: string) => [
    ...exact.filter(({ name }) => name === origin),
    ...below
      .filter(({ prefix }) => origin.startsWith(prefix))
      .map(({ key }) => createNoteVerifier(origin, 'ed25519', key)),
  ]
  return createTrust(given, statements)
}

interface Followed {
  keys: NoteVerifier[]
  followed: KeyStatement[]
  forks: KeyStatement[]
}

function createTrust(given: (origin: string) => NoteVerifier[], statements: readonly KeyStatement[]): Trust {
  const known = new Map<string, Followed>()
  function follow(origin: string): Followed {
    const before = known.get(origin)
    if (before) return before
    const verifiers = new Map<string, NoteVerifier>()
    const verifierOf = (key: Buffer) => {
      const text = key.toString('base64')
      const verifier = verifiers.get(text) ?? createNoteVerifier(origin, 'ed25519', key)
      verifiers.set(text, verifier)
      return verifier
    }
    const about = statements.filter(({ prefix }) => origin.startsWith(prefix))
    const found = followFrom(given(origin), about, verifierOf)
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(origin, found)
    return found
  }
  return Object.assign((origin: string) => follow(origin).keys, {
    with: (more: readonly KeyStatement[]) => createTrust(given, [...statements, ...more]),
    followed: (origin: string) => follow(origin).followed,
    forks: (origin: string) => follow(origin).forks,
  })
}

const MOST_KNOWN = 1_000

/** Which keys these lead to. What any key revokes that could be reached is left out, and so is what only that vouches for. */
function followFrom(
  given: readonly NoteVerifier[],
  statements: readonly KeyStatement[],
  verifierOf: (key: Buffer) => NoteVerifier,
): Followed {
  const byKey = Map.groupBy(
    statements.filter(({ follows }) => follows !== null),
    ({ follows }) => follows?.toString('base64') ?? '',
  )
  const forks = [...byKey.values()].filter(
    ([first, ...others]) => first && others.some(({ key }) => !key.equals(first.key)),
  )
  const links = statements.filter(each => !forks.some(fork => fork.includes(each)))
  const reachable = walk(given, links, verifierOf)
  const revoked = new Set(
    statements
      .filter(({ key }) => reachable.keys.has(verifierOf(key).vkey))
      .flatMap(({ revokes }) => revokes.map(key => verifierOf(key).vkey)),
  )
  const { keys, followed } = walk(
    given.filter(({ vkey }) => !revoked.has(vkey)),
    links.filter(({ key }) => !revoked.has(verifierOf(key).vkey)),
    verifierOf,
  )
  const isOurs = (fork: KeyStatement[]) =>
    fork.some(({ follows }) => follows && reachable.keys.has(verifierOf(follows).vkey))
  return { keys: [...keys.values()], followed, forks: forks.filter(isOurs).flat() }
}

function walk(
  given: readonly NoteVerifier[],
  statements: readonly KeyStatement[],
  verifierOf: (key: Buffer) => NoteVerifier,
): { keys: Map<string, NoteVerifier>; followed: KeyStatement[] } {
  const keys = new Map(given.map(key => [key.vkey, key]))
  const followed: KeyStatement[] = []
  for (let hasGrown = true; hasGrown; ) {
    hasGrown = false
    for (const statement of statements) {
      const { key, follows } = statement
      const next = verifierOf(key)
      if (follows === null || keys.has(next.vkey) || !keys.has(verifierOf(follows).vkey)) continue
      keys.set(next.vkey, next)
      followed.push(statement)
      hasGrown = true
    }
  }
  return { keys, followed }
}
