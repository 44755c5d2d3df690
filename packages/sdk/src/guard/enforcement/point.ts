import type { AppError, Clock } from '../../core/index.ts'
import type { Caller } from '../../engine/index.ts'
import type { createTokenCheck } from '../access-token.ts'
import type { ProofCheck } from '../dpop/check.ts'
import type { Metrics } from '../metrics.ts'
import type { SeenTools } from '../offer/seen-tools.ts'
import type { Message } from '../protocol/message.ts'
import type { Recorder } from '../recorder.ts'
import type { Replica } from '../replica/replica.ts'
import type { Sessions } from '../sessions.ts'
import type { OpenExchanges } from './open-exchanges.ts'

/** Records a call of who cannot be told: there is no token, or a bad one, or one that somebody else was given. */
export type StrangerLog = (
  point: Point,
  message: Message | null,
  why: {
    reason: 'token_missing' | 'token_invalid' | 'stale'
    detail: string | null
    /** Whose token it was, where that is proven. */
    caller: Caller | null
  },
) => void

/** All that one enforcement point works with, put together once. */
export interface Point {
  server: { id: string; name: string; url: string }
  /** The server's URL, parsed once. */
  place: URL
  issuer: string
  /** Where the protected resource metadata of the server is (RFC 9728 section 3.1). */
  metadataUrl: string
  /** Origins that browsers may call from, besides the server's own. */
  allowedOrigins: readonly string[]
  clock: Clock
  replica: Replica
  spool: Recorder
  checkToken: ReturnType<typeof createTokenCheck>
  checkProof: ProofCheck
  /** For the fingerprints of credentials that are not ours. */
  fingerprintKey: Buffer
  sessions: Sessions
  seen: SeenTools
  metrics: Metrics
  open: OpenExchanges
  noteStranger: StrangerLog
  /** Why the authority ended this start for good, once it has. */
  ended(): AppError | undefined
}
