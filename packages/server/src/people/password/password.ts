import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** Why a password is not taken. */
export type PasswordFault = 'short' | 'long' | 'like_name' | 'common'

export const SHORTEST_PASSWORD = 12
const LONGEST_PASSWORD = 200
/** Powers of ten of guesses that somebody needs who begins with what people choose most. */
const FEWEST_GUESSES = 9
/** Estimating takes longer with the square of it, and what comes after that makes nothing worse. */
const LONGEST_ESTIMATED = 40

/**
 * What keeps a password out of a list that somebody tries (NIST SP 800-63B-4 §3.1.1.2): length first, a list of passwords
 * that leaked and what is close to them, and no rules of characters.
 */
export async function findPasswordFault(
  password: string,
  names: readonly string[],
): Promise<PasswordFault | undefined> {
  const text = password.normalize('NFKC')
  if ([...text].length < SHORTEST_PASSWORD) return 'short'
  if ([...text].length > LONGEST_PASSWORD) return 'long'
  const guesses = await loadGuesses()
  if (guesses(text, []) < FEWEST_GUESSES) return 'common'
  return guesses(text, names) < FEWEST_GUESSES ? 'like_name' : undefined
}

let loading: Promise<(text: string, names: readonly string[]) => number> | undefined

/** The list and its matchers take 25 MB, so they come with the first password that somebody chooses. */
function loadGuesses() {
  loading ??= Promise.all([import('@zxcvbn-ts/core'), import('@zxcvbn-ts/language-common')]).then(
    ([{ ZxcvbnFactory }, { dictionary, adjacencyGraphs: graphs }]) => {
      const estimate = new ZxcvbnFactory({ dictionary, graphs, l33tMaxSubstitutions: 5 })
      return (text, names) => estimate.check(text.slice(0, LONGEST_ESTIMATED), [...names]).guessesLog10
    },
  )
  return loading
}

type Derive = (
  password: string,
  salt: Buffer,
  length: number,
  cost: { N: number; r: number; p: number; maxmem: number },
) => Promise<Buffer>
const derive = promisify(scrypt) as Derive

const BLOCK = 8
const LANES = 3
const KEY_BYTES = 32

/** Hashes and checks passwords with scrypt; a check costs what its own hash says, so that the cost can be changed. */
export function createPasswordHash(logCost: number) {
  return {
    async hash(password: string): Promise<string> {
      const salt = randomBytes(16)
      const key = await stretch(password, salt, logCost)
      return `scrypt.${logCost}.${salt.toString('base64url')}.${key.toString('base64url')}`
    },
    /** Whether a hash was made at another cost than one of today. */
    isOutdated: (hash: string) => !hash.startsWith(`scrypt.${logCost}.`),
    /** Takes as long as a check, for somebody who has no password. */
    async verifyNone(password: string): Promise<false> {
      await stretch(password, randomBytes(16), logCost)
      return false
    },
    async verify({ hash, password }: { hash: string; password: string }): Promise<boolean> {
      const [scheme, cost, salt, key] = hash.split('.')
      if (scheme !== 'scrypt' || cost === undefined || salt === undefined || key === undefined) return false
      const wanted = Buffer.from(key, 'base64url')
      const given = await stretch(password, Buffer.from(salt, 'base64url'), Number(cost))
      return wanted.length === given.length && timingSafeEqual(wanted, given)
    },
  }
}

/** OWASP's parameters for scrypt at 2^15: 32 MB a hash. */
function stretch(password: string, salt: Buffer, logCost: number): Promise<Buffer> {
  const N = 2 ** logCost
  const maxmem = 256 * N * BLOCK + 2 ** 20
  return derive(password.normalize('NFKC'), salt, KEY_BYTES, { N, r: BLOCK, p: LANES, maxmem })
}
