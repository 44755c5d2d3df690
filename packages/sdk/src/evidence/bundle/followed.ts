import type { KeyStatement } from '../key-statement.ts'
import { createNoteVerifier } from '../note.ts'
import type { Trust } from '../trust.ts'
import type { Claim, FollowedKey } from './report.ts'

const nameOf = (prefix: string, key: Buffer) => `${prefix}*+${key.toString('base64')}`

/** Which keys of a log are trusted because others vouch for them, in the order in which they follow each other. */
export function followedBy(trust: Trust, origin: string): FollowedKey[] {
  return trust.followed(origin).flatMap(({ prefix, key, follows }) => {
    return follows ? [{ key: nameOf(prefix, key), follows: nameOf(prefix, follows) }] : []
  })
}

/** What statements that were followed say of the log of the environment: a made-up one rests on another history of it. */
export function claimsOfKeys(trust: Trust, origin: string): Claim[] {
  return trust
    .followed(origin)
    .map(({ prefix, key, at }) => ({ ...at, by: `what was said of the key ${nameOf(prefix, key)}` }))
}

/** A key that has two successors is one that somebody else has, too. */
export function forkedKeys(trust: Trust, origin: string): string[] {
  return trust
    .forks(origin)
    .map(
      ({ prefix, key, follows }) =>
        `The key ${nameOf(prefix, follows ?? key)} has two successors, ${nameOf(prefix, key)} among them: somebody else has it, and neither is trusted.`,
    )
}

/** Keys that are trusted here, and that the authority says were taken back. It may not be the authority that says so. */
export function revokedKeys(trust: Trust, statements: readonly KeyStatement[], origin: string): string[] {
  const trusted = new Set(trust(origin).map(({ vkey }) => vkey))
  return statements.flatMap(({ prefix, revokes }) =>
    revokes
      .filter(key => trusted.has(createNoteVerifier(origin, 'ed25519', key).vkey))
      .map(
        key =>
          `It says that the key ${nameOf(prefix, key)} was stolen and vouches for nothing any more. Get the new one over a channel that you trust.`,
      ),
  )
}
