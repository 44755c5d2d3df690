import { newId } from '../../core/index.ts'
import type { Caller } from '../../engine/index.ts'
import { NO_TOKEN, type TokenCheck } from '../access-token.ts'
import type { ProofFault } from '../dpop/check.ts'
import { type Answer, answerRefused, answerUnauthorized, type Scheme } from '../protocol/answer.ts'
import type { Message, RequestId } from '../protocol/message.ts'
import type { Inbound } from './inbound.ts'
import { identifyStranger, isObserved } from './observe.ts'
import type { Point } from './point.ts'
import { whyStale } from './ruling.ts'

/** Who calls, and how it showed its token. */
export interface Authenticated {
  caller: Caller
  scheme: Scheme
}

const SCHEME = /^(?:Bearer|DPoP) /i

/**
 * Says who calls: by its token, and where the token is bound to a key, by a proof of that key. Else the 401 to answer
 * with. At once where the token is known, as nearly every one is.
 */
export function authenticate(
  point: Point,
  inbound: Inbound,
  message: Message | null,
): Authenticated | Answer | Promise<Authenticated | Answer> {
  const id = message?.id ?? null
  const header = inbound.header('authorization')
  const stranger = isObserved(point) ? identifyStranger(point, inbound) : 'ours'
  if (stranger !== 'ours') return { caller: stranger, scheme: 'Bearer' }
  if (header === undefined) {
    point.noteStranger(point, message, { reason: 'token_missing', detail: null, caller: null })
    return unauthorized(point, id, null)
  }
  const [word = ''] = SCHEME.exec(header) ?? []
  const scheme: Scheme = word.toLowerCase() === 'dpop ' ? 'DPoP' : 'Bearer'
  const token = header.slice(word.length)
  const shown = { scheme, token }
  const checked = word === '' ? NO_TOKEN : point.checkToken(token)
  if (!(checked instanceof Promise) && checked.ok) return judge(point, inbound, message, shown, checked)
  return settle(point, token, checked).then(settled => judge(point, inbound, message, shown, settled))
}

function judge(
  point: Point,
  inbound: Inbound,
  message: Message | null,
  { scheme, token }: { scheme: Scheme; token: string },
  checked: TokenCheck,
): Authenticated | Answer {
  if (!checked.ok && checked.isOpen) return refuseForNow(point, message)
  const fault = checked.ok ? faultOfProof(point, inbound, { scheme, token, jkt: checked.jkt }) : checked
  if (checked.ok && !fault) return { caller: checked.caller, scheme }
  const detail = fault?.detail ?? null
  // The token was good, so that its owner may want to know who else has it.
  const caller = checked.ok ? checked.caller : null
  point.noteStranger(point, message, { reason: 'token_invalid', detail, caller })
  return unauthorized(point, message?.id ?? null, detail, { scheme, ...fault })
}

/** A new key is made known well before it signs: to whoever has a lease an unknown one is nobody's. */
async function settle(
  point: Point,
  token: string,
  first: TokenCheck | Promise<TokenCheck>,
): Promise<TokenCheck> {
  const checked = await first
  if (checked.ok || !checked.isOpen || !(await point.replica.ensureLease('read'))) return checked
  const again = await point.checkToken(token)
  return again.ok ? again : { ok: false, detail: again.detail }
}

function refuseForNow(point: Point, message: Message | null): Answer {
  const detail = whyStale(point)
  point.noteStranger(point, message, { reason: 'stale', detail, caller: null })
  const id = newId('decision', point.clock.now())
  return answerRefused(message?.id ?? null, { id, reason: 'stale', detail })
}

/** RFC 9449 section 7: a bound token needs a proof, and one that is not bound has no use for one. */
function faultOfProof(
  point: Point,
  inbound: Inbound,
  shown: { scheme: Scheme; token: string; jkt: string | null },
): ProofFault | null {
  const { scheme, token, jkt } = shown
  const invalid = (detail: string): ProofFault => ({ error: 'invalid_token', detail })
  if (jkt === null) return scheme === 'DPoP' ? invalid('it is not bound to a key') : null
  if (scheme === 'Bearer') return invalid('it is bound to a key and was shown without a proof of it')
  const { httpMethod: method, isAsSent, body } = inbound
  const proof = inbound.header('dpop')
  return point.checkProof({ proof, method, token, jkt, body: isAsSent ? (body ?? '') : undefined })
}

/** The 401 that says what is wrong with a token (null: there is none), and which one to ask for. */
export function unauthorized(
  point: Point,
  id: RequestId | null,
  detail: string | null,
  shown: { scheme?: Scheme; error?: ProofFault['error']; nonce?: string } = {},
): Answer {
  return answerUnauthorized(id, { metadata: point.metadataUrl, scopes: scopesOf(point), detail, ...shown })
}

/** The same to who has no identity here, and would have passed while the server was observed. */
export function unauthorizedStranger(point: Point, id: RequestId | null, { fingerprint }: Caller): Answer {
  return unauthorized(point, id, fingerprint === null ? null : 'it is not one of this authority')
}

/** The permissions that this server's tools need: what a client may usefully ask for. */
export function scopesOf(point: Point): string[] {
  const kinds = Object.values(point.replica.snapshot.catalogue.servers.get(point.server.id)?.rules ?? {})
  const needed = kinds.flatMap(rules => [...rules.values()].map(rule => rule.fact.permission))
  return [...new Set(needed)].sort()
}
