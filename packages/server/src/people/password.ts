import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { COMMON_PASSWORDS } from './common-passwords.ts'

/** Why a password is not taken. */
export type PasswordFault = 'short' | 'long' | 'like_name' | 'common'

export const SHORTEST_PASSWORD = 12
export const LONGEST_PASSWORD = 200

/** What keeps a password out of a list that somebody tries (NIST SP 800-63B §3.1.1): length first, no rules of characters. */
export function findPasswordFault(password: string, names: readonly string[]): PasswordFault | undefined {
  const text = password.normalize('NFKC')
  if ([...text].length < SHORTEST_PASSWORD) return 'short'
  if ([...text].length > LONGEST_PASSWORD) return 'long'
  const core = coreOf(text)
  for (const name of names) {
    const known = coreOf(name)
    if (known.length >= 3 && core.startsWith(known) && core.length - known.length < 6) return 'like_name'
  }
  if (new Set(core).size < 5 || COMMON_PASSWORDS.has(core)) return 'common'
  return undefined
}

/** What is left when decoration is taken off: digits and signs at the end make no common password a good one. */
function coreOf(text: string): string {
  const folded = text.toLowerCase()
  const bare = folded.replace(/[\d\p{P}\p{S}\s]+$/u, '')
  return bare === '' ? folded : bare
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
