import type { Exported } from '../format/index.ts'

/** What came of sending. Nothing that fails is given up: it is sent again, whole. */
export type Delivery =
  /** `note`: what the receiver had to say against some of it, for good. */
  | { ok: true; note?: string }
  | { ok: false; reason: string; retryAfterMs?: number | undefined; isTooLarge?: boolean }

/** Brings records to one receiver. Resolves with ok once the receiver has them, in the sense that its protocol knows. */
export type Transport = (records: readonly Exported[]) => Promise<Delivery>

/** What a sink is made of; secrets are open here, so this never leaves the process. */
export interface SinkSettings {
  kind: 'file' | 'syslog' | 'webhook' | 'otlp'
  url: string
  format: string
  /** PEM of whom to trust. */
  authority: string | null
  headers: Readonly<Record<string, string>>
  signingSecret: string | null
}

export const TIME_LIMIT_MS = 10_000
