import type { JWK } from 'jose'
import type { Attempt } from './attempt.ts'
import type { CallerCredential } from './caller.ts'

/** A key that may have signed an assertion, and the credential that it stands for; none for a client without an agent. */
export interface TriedKey {
  jwk: JWK
  credential: CallerCredential | undefined
}

/**
 * The keys that may have signed: the one that `kid` names, by our id or the key's own; else all are tried. Those of a client whose
 * document says where they are, or those that its agent holds and that have not expired.
 */
export function findKeys(attempt: Attempt, kid: string | undefined, now: number): TriedKey[] {
  const keys = attempt.documentKeys ? documentKeys(attempt) : heldKeys(attempt)
  const named = keys.filter(({ jwk, credential }) => jwk.kid === kid || credential?.id === kid)
  const wanted = kid !== undefined && named.length > 0 ? named : keys
  return wanted.filter(({ credential }) => !credential || !hasExpired(credential, now))
}

function documentKeys({ caller, documentKeys = [] }: Attempt): TriedKey[] {
  const credential = caller?.credentials.find(({ kind }) => kind === 'document')
  return documentKeys.map(jwk => ({ jwk, credential }))
}

function heldKeys({ caller }: Attempt): TriedKey[] {
  return (caller?.credentials ?? []).flatMap(credential => {
    const jwk = credential.kind === 'key' ? publicKey(credential) : undefined
    return jwk ? [{ jwk, credential }] : []
  })
}

const MOST_KEYS = 10_000
/** Parsed once a text, so that jose keeps the imported key with the object. */
const parsedKeys = new Map<string, JWK>()

function publicKey(credential: CallerCredential): JWK | undefined {
  const text = credential.publicJwk
  if (text === null) return undefined
  const known = parsedKeys.get(text)
  if (known) return known
  const key = JSON.parse(text) as JWK
  if (parsedKeys.size >= MOST_KEYS) parsedKeys.clear()
  parsedKeys.set(text, key)
  return key
}

export function hasExpired(credential: CallerCredential, now: number): boolean {
  return credential.expiresAt !== null && credential.expiresAt <= now
}
