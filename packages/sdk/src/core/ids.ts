/** What an id names; the prefix travels with it, so that an id says what it is wherever it is read. */
const ID_PREFIX = {
  organization: 'org',
  person: 'usr',
  agent: 'agt',
  group: 'grp',
  service: 'svc',
  client: 'cli',
  credential: 'crd',
  server: 'srv',
  serverKey: 'sky',
  tool: 'tol',
  resourceType: 'rty',
  permission: 'prm',
  role: 'rol',
  assignment: 'asg',
  grant: 'gnt',
  delegation: 'dlg',
  delegationRule: 'drl',
  invitation: 'inv',
  factor: 'fac',
  refreshFamily: 'rfm',
  waitingRequest: 'wrq',
  identityProvider: 'idp',
  identityLink: 'lnk',
  trustedIssuer: 'tri',
  scimToken: 'sct',
  signalReceiver: 'sgr',
  signalStream: 'stm',
  signalEvent: 'set',
  signalSource: 'sgs',
  signingKey: 'key',
  point: 'pnt',
  apiToken: 'tok',
  accessToken: 'atk',
  decision: 'dec',
  event: 'evt',
  shipment: 'shp',
  logKey: 'lgk',
  hold: 'hld',
  sink: 'snk',
  alert: 'alr',
  request: 'req',
} as const

export type IdKind = keyof typeof ID_PREFIX

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const POOL_BYTES = 4096
const pool = new Uint8Array(POOL_BYTES)
let used = POOL_BYTES

/**
 * A new id: prefix, 10 characters of time (so that ids sort by age) and 16 of randomness (80 bits).
 * @example newId('agent') // 'agt_01kam3v9w2c8q0r5t7x1y4z6b8'
 */
export function newId(kind: IdKind, now: number = Date.now()): string {
  let time = ''
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = ALPHABET[rest % 32] + time
  let random = ''
  for (const byte of drawn(16)) random += ALPHABET[byte & 31]
  return `${ID_PREFIX[kind]}_${time}${random}`
}

/** Random bytes for what is no secret, good until the next call. */
function drawn(count: number): Uint8Array {
  if (used + count > POOL_BYTES) {
    crypto.getRandomValues(pool)
    used = 0
  }
  used += count
  return pool.subarray(used - count, used)
}

const ID = new RegExp(`^(?:${Object.values(ID_PREFIX).join('|')})_[0-9a-z]{26}$`)

/** Whether a text has the form of an id, of one kind or of any. */
export function isId(text: string, kind?: IdKind): boolean {
  return ID.test(text) && (kind === undefined || text.startsWith(`${ID_PREFIX[kind]}_`))
}

/** W3C Trace Context, version 00: the trace in 32 hexadecimal digits, the span in 16. Neither may be zero. */
export const TRACE_PARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** A trace of its own, written as a `traceparent` that nobody has sampled. */
export function newTrace(): string {
  let digits = ''
  for (const byte of drawn(24)) digits += HEX[byte]
  return `00-${digits.slice(0, 32)}-${digits.slice(32)}-00`
}

/** A secret of 256 random bits, base64url, with a prefix by which a leak scanner can find it. */
export function newSecret(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return `${prefix}_${btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')}`
}
