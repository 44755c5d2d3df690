import { createNoteVerifier, type NoteVerifier, parseVkey } from './note.ts'

/** The keys that are trusted for a log. */
export type Trust = (origin: string) => NoteVerifier[]

/** Reads whose logs are trusted: one by its key, or, as `auth.example.com/log/*+KEY`, all that lie below a name under one key. */
export function parseTrust(lines: readonly string[]): Trust {
  const exact: NoteVerifier[] = []
  const below: { prefix: string; key: Buffer }[] = []
  for (const line of lines) {
    const [, prefix, key] = /^([^+\s]+\/)\*\+([A-Za-z0-9+/]{43}=)$/.exec(line.trim()) ?? []
    if (prefix === undefined || key === undefined) exact.push(parseVkey(line))
    else below.push({ prefix, key: Buffer.from(key, 'base64') })
  }
  return origin => [
    ...exact.filter(({ name }) => name === origin),
    ...below
      .filter(({ prefix }) => origin.startsWith(prefix))
      .map(({ key }) => createNoteVerifier(origin, 'ed25519', key)),
  ]
}
