import type { AppError } from '../core/index.ts'
import { Refusal } from './ask.ts'
import { Halted, REFUSED_FOR_MS, type Standing } from './standing.ts'
import type { Token } from './token-request.ts'

/** Keeps tokens until they are about to end, and asks for each only once at a time. */
export interface TokenCache {
  get(key: string): Promise<Token>
  /** Keeps a token that came another way. */
  put(key: string, token: Token): void
  /** Forgets a token that a server did not accept: this one, where it is said, and not one that came after it. */
  drop(key: string, value?: string): void
  /** Gives the same answer for a while: nothing that was said no to is asked again at once. */
  refuse(key: string, error: AppError): void
}

/** A fifth of its life before it ends, a token is fetched anew; at most this long before. */
const REFRESH_BEFORE_MS = 60_000
/** What is wrong with who asks, not with what is asked for: then all of it stops. */
const FINAL = ['invalid_client', 'invalid_grant', 'unauthorized_client', 'access_denied']

interface Kept {
  token: Token
  refreshAt: number
}

export function createTokenCache(
  request: (key: string) => Promise<Token>,
  now: () => number,
  standing: Standing,
): TokenCache {
  const kept = new Map<string, Kept>()
  const asking = new Map<string, Promise<Token>>()
  const refusals = new Map<string, { error: AppError; until: number }>()
  let halts = 0

  function put(key: string, token: Token): void {
    const early = Math.min(REFRESH_BEFORE_MS, (token.expiresAt - now()) / 5)
    kept.set(key, { token, refreshAt: token.expiresAt - early })
  }

  function refuse(key: string, error: AppError): void {
    kept.delete(key)
    refusals.set(key, { error, until: now() + REFUSED_FOR_MS })
  }

  function halt(cause: AppError): Halted {
    const halted = cause instanceof Halted ? cause : new Halted(cause.message, cause)
    // Who cannot prove itself can do nothing; what somebody else gave may end by itself.
    standing.halt(halted, cause instanceof Refusal && cause.error === 'invalid_client' ? 'all' : 'this')
    return halted
  }

  async function ask(key: string): Promise<Token> {
    try {
      const token = await request(key)
      put(key, token)
      return token
    } catch (error) {
      if (error instanceof Halted || (error instanceof Refusal && FINAL.includes(error.error)))
        throw halt(error)
      if (error instanceof Refusal) {
        refuse(key, error)
        throw error
      }
      // An authority that is away for a moment does not stop an agent whose token is still good.
      const old = kept.get(key)?.token
      if (old && old.expiresAt > now()) return old
      throw error
    }
  }

  function start(key: string): Promise<Token> {
    const running = ask(key).finally(() => asking.delete(key))
    asking.set(key, running)
    return running
  }

  return {
    async get(key) {
      standing.check()
      if (halts !== standing.halts()) kept.clear()
      halts = standing.halts()
      const refusal = refusals.get(key)
      if (refusal && refusal.until > now()) throw refusal.error
      refusals.delete(key)
      const known = kept.get(key)
      if (known && now() < known.refreshAt) return known.token
      return asking.get(key) ?? start(key)
    },
    put,
    drop(key, value) {
      if (value === undefined || kept.get(key)?.token.value === value) kept.delete(key)
    },
    refuse,
  }
}
