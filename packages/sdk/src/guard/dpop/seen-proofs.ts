import { hash } from 'node:crypto'
import type { Clock } from '../../core/index.ts'

/**
 * Remembers proofs for as long as they can be shown again, in bounded memory. They are kept by the time that they name:
 * one look in one place tells whether a proof was there, and what has become old is forgotten whole.
 */
export interface SeenProofs {
  /** Takes a proof in. `again` where it was here before; `full` where too many are, of this key or of all. */
  take(proof: { thumbprint: string; jti: string; iat: number }): 'new' | 'again' | 'full'
  /** Whether a proof of this time may have been here and is not remembered: from before this start, or long ago. */
  mayHaveForgotten(iat: number): boolean
}

interface Bucket {
  proofs: Set<string>
  byKey: Map<string, number>
  madeAt: number
}

const BUCKET_SECONDS = 10
const MOST_PROOFS = 500_000
/** In one bucket, so that one agent cannot keep the others out. */
const MOST_OF_A_KEY = 20_000
const HASH_BYTES = 16

/** `aheadSeconds`: how far in the future the time of a proof may lie, so also that of one shown to an earlier start. */
export function createSeenProofs(options: {
  keepSeconds: number
  aheadSeconds: number
  clock: Clock
}): SeenProofs {
  const { keepSeconds, aheadSeconds, clock } = options
  const buckets = new Map<number, Bucket>()
  let size = 0
  let forgottenUntil = clock.now() / 1000 + aheadSeconds

  /** By the clock that never goes back: when the other one does, old proofs are of the present again. */
  function forgetOld(): void {
    const before = clock.monotonic() - keepSeconds * 1000
    for (const [time, { proofs, madeAt }] of buckets) {
      if (madeAt > before) continue
      buckets.delete(time)
      size -= proofs.size
      forgottenUntil = Math.max(forgottenUntil, (time + 1) * BUCKET_SECONDS)
    }
  }

  function bucketFor(iat: number): Bucket {
    const time = Math.floor(iat / BUCKET_SECONDS)
    const known = buckets.get(time)
    if (known) return known
    forgetOld()
    const bucket: Bucket = { proofs: new Set(), byKey: new Map(), madeAt: clock.monotonic() }
    buckets.set(time, bucket)
    return bucket
  }

  return {
    take({ thumbprint, jti, iat }) {
      const { proofs, byKey } = bucketFor(iat)
      // Of one length, whatever the caller named: what is kept must not depend on who sends it.
      const proof = hash('sha256', thumbprint + jti, 'buffer').toString('latin1', 0, HASH_BYTES)
      if (proofs.has(proof)) return 'again'
      const ofKey = byKey.get(thumbprint) ?? 0
      if (size >= MOST_PROOFS || ofKey >= MOST_OF_A_KEY) return 'full'
      proofs.add(proof)
      byKey.set(thumbprint, ofKey + 1)
      size++
      return 'new'
    },
    mayHaveForgotten: iat => iat <= forgottenUntil,
  }
}
