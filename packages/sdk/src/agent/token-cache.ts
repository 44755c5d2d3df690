import { AppError } from '../core/index.ts'
import type { Token } from './token-request.ts'

/** Keeps tokens until they are about to end, and asks for each only once at a time. */
export interface TokenCache {
  get(key: string): Promise<Token>
  /** Keeps a token that came another way. */
  put(key: string, token: Token): void
  /** Forgets a token that a server did not accept. */
  drop(key: string): void
}

/** A fifth of its life before it ends, a token is fetched anew; at most this long before. */
const REFRESH_BEFORE_MS = 60_000
/** After a refusal nobody asks again for so long: a suspended agent must not hammer the authority. */
const REFUSED_FOR_MS = 30_000

interface Kept {
  token: Token
  refreshAt: number
}

export function createTokenCache(request: (key: string) => Promise<Token>, now: () => number): TokenCache {
  const kept = new Map<string, Kept>()
  const asking = new Map<string, Promise<Token>>()
  const refusals = new Map<string, { error: AppError; until: number }>()

  function put(key: string, token: Token): void {
    const early = Math.min(REFRESH_BEFORE_MS, (token.expiresAt - now()) / 5)
    kept.set(key, { token, refreshAt: token.expiresAt - early })
  }

  async function ask(key: string): Promise<Token> {
    try {
      const token = await request(key)
      put(key, token)
      return token
    } catch (error) {
      if (error instanceof AppError && error.code === 'token.refused') {
        kept.delete(key)
        refusals.set(key, { error, until: now() + REFUSED_FOR_MS })
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
      const refusal = refusals.get(key)
      if (refusal && refusal.until > now()) throw refusal.error
      refusals.delete(key)
      const known = kept.get(key)
      if (known && now() < known.refreshAt) return known.token
      return asking.get(key) ?? start(key)
    },
    put,
    drop: key => void kept.delete(key),
  }
}
