import { createHmac } from 'node:crypto'
import { type Mode, modeAt } from '../../core/index.ts'
import { type Caller, type Refusal, refuseCaller } from '../../engine/index.ts'
import type { Inbound } from './inbound.ts'
import type { Point } from './point.ts'

/** What a caller without an identity here may show to the server behind, and is known by. */
export const OWN_CREDENTIALS = ['authorization', 'dpop', 'x-api-key', 'api-key'] as const

/** Whether a caller has an identity here, which all have where the server is not observed. */
export function isIdentified(caller: Caller): boolean {
  return caller.fingerprint === undefined
}

/** The mode that the server is in at this moment. */
export function modeOf({ replica, server, clock }: Point): Mode {
  const fact = replica.snapshot.catalogue.servers.get(server.id)?.fact
  return fact ? modeAt(fact, clock.now()) : 'enforce'
}

export function isObserved(point: Point): boolean {
  return modeOf(point) === 'observe'
}

/** Why a caller may do nothing here at this moment, whatever it asks for; null where it may be heard. */
export function refuseNow(point: Point, caller: Caller): Refusal | null {
  const { replica, server, clock } = point
  const refusal = refuseCaller(replica.snapshot, { server: server.id, caller, now: clock.now() })
  return refusal?.reason === 'unidentified' && isObserved(point) ? null : refusal
}

/**
 * Who calls an observed server without an identity here. A credential of ours is never one of these: where it is bad it
 * is refused, and it does not reach the server behind, in whatever header it comes.
 */
export function identifyStranger(point: Point, inbound: Inbound): Caller | 'ours' {
  const shown: string[] = []
  for (const name of OWN_CREDENTIALS) {
    const value = inbound.header(name)
    if (value === undefined) continue
    if (isOurs(value, point.issuer)) return 'ours'
    // A proof is another one each time.
    if (name !== 'dpop') shown.push(`${name} ${value.trim().replace(/^[A-Za-z]+\s+/, '')}`)
  }
  return {
    ...NOBODY,
    expiresAt: point.replica.snapshot.catalogue.servers.get(point.server.id)?.fact.observeUntil ?? 0,
    fingerprint: shown.length === 0 ? null : fingerprintOf(shown.join('\n'), point.fingerprintKey),
  }
}

const NOBODY: Caller = {
  organization: '',
  agent: '',
  credential: '',
  client: '',
  token: '',
  scopes: [],
  expiresAt: 0,
  person: null,
  grant: null,
  chain: [],
}

/** The same credential has the same fingerprint, and without the key nobody can try which one it is. */
function fingerprintOf(shown: string, key: Buffer): string {
  return `fp_${createHmac('sha256', key).update(shown).digest('base64url').slice(0, 26)}`
}

/** A secret of ours, or a token that says that it is ours, by itself or within Basic credentials. */
function isOurs(value: string, issuer: string): boolean {
  const words = value.split(/\s+/)
  const decoded = words.map(word => Buffer.from(word, 'base64').toString('latin1'))
  return [...words, ...decoded].some(text => /\bvk_[a-z]+_/.test(text) || issuerOf(text) === issuer)
}

function issuerOf(token: string): unknown {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return claims !== null && typeof claims === 'object' && 'iss' in claims ? claims.iss : undefined
  } catch {
    return undefined
  }
}
