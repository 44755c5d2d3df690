import type { LimitedFetch } from '../outbound/index.ts'
import type { Store } from '../store/index.ts'
import { askToken, SourceClient } from './source-client.ts'
import { credentialPlace, type SourceRow } from './sources.ts'

/** A token that has less than this left is renewed, so that none ends on its way. */
const LEFT_MS = 30_000
/** Where nothing is said of how long one is good. */
const UNSAID_SECONDS = 60
const MOST_KEPT = 1_000

export interface SourceTokens {
  /** What a source wants as `Authorization`; undefined where it wants nothing. With `isNew` no token is used again. */
  authorize(source: SourceRow, options?: { isNew: boolean }): Promise<string | undefined>
}

/** Keeps the tokens of each source, in memory alone, until shortly before they end. */
export function createSourceTokens(parts: {
  store: Store
  fetch: LimitedFetch
  now(): number
}): SourceTokens {
  const { store, fetch, now } = parts
  const kept = new Map<string, { token: string; until: number }>()
  return {
    async authorize({ id, client, sealedCredential: sealed }, { isNew } = { isNew: false }) {
      if (sealed === null) return undefined
      const credential = store.secrets.open(sealed, credentialPlace(id))
      if (client === null) return credential
      const known = isNew ? undefined : kept.get(id)
      if (known && known.until > now()) return `Bearer ${known.token}`
      kept.delete(id)
      const wish = { credential, scope: 'ssf.read' }
      const { token, seconds = UNSAID_SECONDS } = await askToken(
        fetch,
        SourceClient.parse(JSON.parse(client)),
        wish,
      )
      const [oldest] = kept.keys()
      if (kept.size >= MOST_KEPT && oldest !== undefined) kept.delete(oldest)
      kept.set(id, { token, until: now() + seconds * 1000 - LEFT_MS })
      return `Bearer ${token}`
    },
  }
}
