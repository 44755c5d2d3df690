import type { NotPosted, Posted } from '../../outbound/index.ts'
import { NOT_REACHED } from './syslog.ts'
import type { Delivery } from './transport.ts'

const LONGEST_WAIT_S = 3600
const LONGEST_QUOTE = 200

/** What an answer over HTTP means: 2xx is taken, all else comes again. */
export function toDelivery(answer: Posted | NotPosted, now: number): Delivery {
  if (!answer.ok) {
    if (answer.reason !== 'unreachable') return { ok: false, reason: NOT_REACHED[answer.reason] }
    return { ok: false, reason: `The receiver cannot be reached: ${answer.detail ?? 'no connection'}.` }
  }
  const { status, headers, body } = answer
  if (status >= 200 && status < 300) return { ok: true }
  const said = body
    .replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, ' ')
    .trim()
    .slice(0, LONGEST_QUOTE)
  return {
    ok: false,
    reason: `The receiver answered ${status}${said === '' ? '.' : `: ${said}`}`,
    retryAfterMs: retryAfter(headers['retry-after'], now),
    isTooLarge: status === 413,
  }
}

/** Seconds, or a date (RFC 9110 §10.2.3). */
function retryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : (Date.parse(text) - now) / 1000
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), LONGEST_WAIT_S) * 1000 : undefined
}
